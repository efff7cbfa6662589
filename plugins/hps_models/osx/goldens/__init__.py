"""Replays of what OSX's own code returned."""
