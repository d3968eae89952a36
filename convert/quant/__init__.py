"""Types, recipes and the encoder: how values become bytes; never which model they belong to."""
