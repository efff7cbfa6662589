"""OSX: one transformer for body, hands and face, giving SMPL-X."""
