"""Goldens of official image preparation that belongs to no single model."""
