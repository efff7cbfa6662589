"""Batches of a training: one deterministic stream, the workers that read it, the way to a device."""
