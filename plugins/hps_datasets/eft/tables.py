"""The files of EFT, and where the pictures of its parents lie.

Sources: the owner's repository (names, sizes); mmhuman3d and hmr-benchmarks as read and run (prefixes).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Fits:
    """One file of fits. Prefixes stand before the name of a picture and end with a slash."""

    name: str  # keys begin with it
    files: tuple[str, ...]  # the first that is there; in the folder or in one below it
    parents: tuple[str, ...]  # folders of the parent data set, beside or inside ours
    folder: str  # of the pictures in the parent data set; the prefix of their names
    other_folders: tuple[str, ...] = ()  # where they may lie instead
    official_folder: str | None = None  # prefix of the converters, where it is another
    official_files: Mapping[str, str] = field(default_factory=dict)  # by converter


COCO_PARENTS = ("coco",)
LSPET_PARENTS = ("lsp-extended", "lspet", "hr-lspet")
LSPET_FOLDERS = ("images/", "hr-lspet/")

EFT_COCO = {
    "train": Fits(
        name="coco",
        files=("COCO2014-All-ver01.json", "COCO2014-All-ver10.json"),
        parents=COCO_PARENTS,
        folder="train2014/",
        other_folders=("images/train2014/",),
    ),
    "validation": Fits(
        name="coco-val",
        files=("COCO2014-Val-ver10.json",),
        parents=COCO_PARENTS,
        folder="val2014/",
        other_folders=("images/val2014/", ""),
        official_folder="",
    ),
}
EFT_COCO_PART = {
    "train": Fits(
        name="coco-part",
        files=("COCO2014-Part-ver01.json", "COCO2014-Part-ver10.json"),
        parents=COCO_PARENTS,
        folder="train2014/",
        other_folders=("images/train2014/",),
    )
}
EFT_LSPET = {
    "train": Fits(
        name="lspet",
        files=("LSPet_train_ver10.json", "LSPet_ver01.json"),
        parents=LSPET_PARENTS,
        folder="",
        other_folders=LSPET_FOLDERS,
        official_files={"mmhuman3d": "LSPet_ver01.json"},
    ),
    "test": Fits(
        name="lspet-test",
        files=("LSPet_test_ver10.json",),
        parents=LSPET_PARENTS,
        folder="",
        other_folders=LSPET_FOLDERS,
    ),
}
EFT_OCHUMAN = {
    "train": Fits(
        name="ochuman",
        files=("OCHuman_train_ver10.json",),
        parents=("ochuman",),
        folder="images/",
    ),
    "test": Fits(
        name="ochuman-test",
        files=("OCHuman_test_ver10.json",),
        parents=("ochuman",),
        folder="images/",
    ),
}
EFT_POSETRACK = {
    "train": Fits(
        name="posetrack",
        files=("PoseTrack_ver01.json", "PoseTrack_ver10.json"),
        parents=("posetrack18", "posetrack"),
        folder="images/train/",
    )
}
EFT_MPII = {
    "train": Fits(
        name="mpii",
        files=("MPII_ver01.json", "MPII_ver10.json"),
        parents=("mpii",),
        folder="images/",
    )
}
