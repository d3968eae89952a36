"""`quietroom-convert bench`: us against what there is, in one run; never converts anything in its own process."""
