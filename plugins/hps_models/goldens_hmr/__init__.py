"""Replays of what the official code of the HMR family returned."""
