"""What two or more models share: backbones, checkpoints, weights of other programs."""
