"""The model in a child process of its own: one JSON object per line over stdin and stdout."""
