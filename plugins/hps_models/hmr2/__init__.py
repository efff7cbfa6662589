"""HMR2.0: a vision transformer and one token that asks it for a body."""
