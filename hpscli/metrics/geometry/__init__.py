"""Rotations, angles and nearness of points: what errors are made of."""
