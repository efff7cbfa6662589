"""hps datasets: its commands, how lists and cards look, what dump writes."""
