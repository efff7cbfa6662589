"""The file that the 3DPW challenge takes: written, read, checked."""
