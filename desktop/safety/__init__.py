"""What is owed to a person at risk, without the model. Pure: never Qt, never the network."""
