"""What hps eval prints: the table of a result, and results beside each other."""
