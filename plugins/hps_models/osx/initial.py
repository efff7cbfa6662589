"""How OSX starts what lies behind its encoder: tiny convolutions, small linear layers.

Source: init_weights of main/OSX.py, which looks at exact layer types, and what it leaves of the
decoder's own start (measured, SPEC 5.1).
"""

from torch import nn

from hps_models.osx.parts.decoder import Decoder, FeedForward, SelfAttention
from hps_models.osx.parts.deformable import DeformableAttention

CONVOLUTION_STD, LINEAR_STD = 0.001, 0.01


def initialise(network: nn.Module) -> None:
    """Give new weights to every part but `encoder`, which has timm's own start."""
    for name, part in network.named_children():
        if name != "encoder":
            _initialise_part(part)


def _initialise_part(part: nn.Module) -> None:
    for module in part.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=CONVOLUTION_STD)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=LINEAR_STD)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    for module in part.modules():
        if isinstance(module, SelfAttention):
            nn.init.xavier_uniform_(module.projection.weight)
            nn.init.xavier_uniform_(module.output.weight)
        elif isinstance(module, FeedForward):
            for linear in (module.first, module.second):
                linear.reset_parameters()
                nn.init.xavier_uniform_(linear.weight)
        elif isinstance(module, DeformableAttention):
            nn.init.xavier_uniform_(module.value_weight)
            nn.init.xavier_uniform_(module.value_bias)
        elif isinstance(module, Decoder):
            nn.init.xavier_uniform_(module.position)
            nn.init.normal_(module.level_embedding)
