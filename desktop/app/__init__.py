"""The composition root: builds the vault, the engine, the flows and a face, and connects them. Never any policy."""
