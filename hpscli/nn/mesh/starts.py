"""What METRO, Mesh Graphormer and FastMETRO start their backbones from: ImageNet classifiers."""

from hpscli.hooks import Start

HRNET = "https://github.com/HRNet/HRNet-Image-Classification"
TORCHVISION = "https://download.pytorch.org/models/"

# metro_graphormer SPEC 6 and FastMETRO SPEC 5: HRNet's own files, torchvision's first weights (not
# timm's default). timm's `ms_in1k` come from HRNet's authors.
IMAGENET_STARTS = (
    *(
        Start(
            options={"backbone": f"hrnet_w{width}"},
            file=f"hrnetv2_w{width}_imagenet_pretrained.pth",
            page=HRNET,
            library=f"hrnet_w{width}.ms_in1k",
        )
        for width in (64, 40)
    ),
    Start(
        options={"backbone": "resnet50"},
        file="resnet50-19c8e357.pth",
        page=f"{TORCHVISION}resnet50-19c8e357.pth",
        library="resnet50.tv_in1k",
    ),
)
