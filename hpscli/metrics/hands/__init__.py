"""What FreiHAND and HO-3D measure."""
