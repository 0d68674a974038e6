"""Checkpoints that any number of ranks can read: written, verified, resumed."""
