"""HMR: an image backbone and a regressor of SMPL parameters."""
