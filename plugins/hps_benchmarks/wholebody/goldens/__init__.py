"""What official evaluations returned, computed again."""
