"""What a training reads, and in which order: see plan.py."""
