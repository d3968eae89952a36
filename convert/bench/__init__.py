"""`quietroom-convert bench`: measures us against what there is, in one run; never converts anything itself."""
