"""Slow work on the vault in a child process of its own. Never talks to a model."""
