"""Checkpoints of this and of other programs: where they are, whose they are, what they start."""
