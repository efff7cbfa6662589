"""hps: 3D human pose and shape estimation in one tool."""

__version__ = "0.1.0"
