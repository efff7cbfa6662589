"""What the backbones of SPIN, mmhuman3d and hmr-benchmarks start from: reference hmr, 1.4 and 3.1."""

from hpscli.hooks import Start

TORCHVISION = "https://download.pytorch.org/models/"
OPENMMLAB = "https://download.openmmlab.com/mmclassification/v0/"
BENCHMARKS = "https://github.com/smplbody/hmr-benchmarks"
TABLE = {
    # backbone: (file, page, the same weights in timm)
    "resnet50": ("resnet50-19c8e357.pth", TORCHVISION, "resnet50.tv_in1k"),
    "resnet101": ("resnet101-5d3b4d8f.pth", TORCHVISION, "resnet101.tv_in1k"),
    "resnet152": ("resnet152-b121ed2d.pth", TORCHVISION, "resnet152.tv_in1k"),
    "resnext101": (
        "resnext101_32x8d-8ba56ff5.pth",
        TORCHVISION,
        "resnext101_32x8d.tv_in1k",
    ),
    "efficientnet-b5": (
        "efficientnet-b5_3rdparty_8xb32_in1k_20220119-e9814430.pth",
        f"{OPENMMLAB}efficientnet/",
        "tf_efficientnet_b5.in1k",
    ),
    "hrnet-w32": ("hrnet_w32-36af842e_imagenet_leoxb.pth", BENCHMARKS, "hrnet_w32.ms_in1k"),
    "vit-b": (
        "jx_vit_base_p16_224-80ecf9dd.pth",
        "https://github.com/rwightman/pytorch-image-models/releases/tag/v0.1-vitjx",
        "vit_base_patch16_224.orig_in21k_ft_in1k",
    ),
    "swin-t": (
        "swin_tiny_patch4_window7_224.pth",
        "https://github.com/SwinTransformer/storage/releases/tag/v1.0.0",
        "swin_tiny_patch4_window7_224.ms_in1k",
    ),
    "twins-svt": (
        "twins-svt-base_3rdparty_8xb128_in1k_20220126-e31cc8e9.pth",
        f"{OPENMMLAB}twins/",
        "twins_svt_base.in1k",
    ),
    "twins-pcpvt": (
        "twins-pcpvt-base_3rdparty_8xb128_in1k_20220126-f8c4b0d5.pth",
        f"{OPENMMLAB}twins/",
        "twins_pcpvt_base.in1k",
    ),
}
STARTS = tuple(
    Start(options={"backbone": name}, file=file, page=page, library=library)
    for name, (file, page, library) in TABLE.items()
)
