"""The blocks that several parts of OSX are made of."""

from itertools import pairwise

from torch import nn


def deconvolutions(*channels: int) -> nn.Sequential:
    """Channels in, ..., out -> maps twice as large at every step, each normalised and rectified."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
