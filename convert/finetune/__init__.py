"""Training, apart from everything that ships: the only place of torch. Never imported by another part."""
