"""Replays of what the official code of METRO and Mesh Graphormer returned."""
