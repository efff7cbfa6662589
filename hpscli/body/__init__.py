"""Bodies: model layers, joints, rotations, cameras, mesh levels, and the files they come from."""
