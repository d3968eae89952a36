"""Quietroom's desktop companion: talks with a model on this machine and keeps the journal."""

__version__ = "0.1.0"
