"""Models and meshes in formats of other programs."""
