"""The window's widgets. They know flows alone: never SQL, files, processes or prompts."""
