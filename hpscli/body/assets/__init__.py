"""Licensed files of the user: which there are, where they come from, how they are kept and read."""
