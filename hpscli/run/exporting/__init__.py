"""From a model, or a file of predictions, to the file that a leaderboard takes."""
