"""Synthetic people: a generator of images with exact labels, and no licence to sign."""
