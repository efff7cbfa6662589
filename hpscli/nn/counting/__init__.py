"""What a network costs, counted while it runs."""
