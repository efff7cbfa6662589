"""Image backbones of timm, built without ever touching the network."""

from torch import nn

from hpscli.errors import MissingError, UsageError, did_you_mean


def timm_backbone(name: str) -> tuple[nn.Module, int]:
    """Name of a timm model -> (module: image (B,3,H,W) -> features (B,C), C).

    Pooling is timm's own: the global average of convolutional networks, the class token of most
    transformers, which are built so that they take images of any size. Weights are random:
    pretrained ones come from a file (`model.init`), never from a download.
    """
    import timm

    if not timm.is_model(name):
        raise UsageError(
            f"no backbone named '{name}' in timm {timm.__version__}.",
            did_you_mean(name, timm.list_models())
            or "See: python -c \"import timm; print(timm.list_models('*resnet*'))\"",
        )
    try:
        backbone = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError:  # convolutional networks take any size and do not know the argument
        backbone = timm.create_model(name, pretrained=False, num_classes=0)
    except ImportError as error:  # a few timm models need a package of their own
        raise MissingError(f"backbone '{name}': {error}.") from error
    return backbone, int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)
