"""METRO: a transformer over joints and coarse vertices, for bodies and hands."""
