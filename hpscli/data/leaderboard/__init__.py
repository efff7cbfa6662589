"""Files for leaderboards: written so that old servers read them, read so that nothing runs."""
