"""Pictures without OpenGL, display or GPU."""
