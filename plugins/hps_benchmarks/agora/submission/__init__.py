"""The files that AGORA's leaderboard takes: written, read, checked."""
