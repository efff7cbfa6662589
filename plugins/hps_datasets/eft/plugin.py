"""Registers the six data sets of EFT, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

REFERENCES = {  # the converters that have each of them, the usual first
    "eft-coco": ("mmhuman3d", "hmr-benchmarks"),
    "eft-coco-part": ("mmhuman3d", "hmr-benchmarks"),
    "eft-lspet": ("mmhuman3d", "hmr-benchmarks"),
    "eft-ochuman": ("hmr-benchmarks",),
    "eft-posetrack": ("hmr-benchmarks",),
    "eft-mpii": ("mmhuman3d", "hmr-benchmarks"),
}
MAIN = {  # files of mmhuman3d: data set, split
    "eft_coco_all": ("eft-coco", "train"),
    "eft_coco_part": ("eft-coco-part", "train"),
    "eft_lspet": ("eft-lspet", "train"),
    "eft_mpii": ("eft-mpii", "train"),
}
BENCHMARKS = {
    "eft_coco_val": ("eft-coco", "validation"),
    "eft_lspet_test": ("eft-lspet", "test"),
    "eft_lspet_train": ("eft-lspet", "train"),
    "eft_ochuman_test": ("eft-ochuman", "test"),
    "eft_ochuman_train": ("eft-ochuman", "train"),
    "eft_posetrack_train": ("eft-posetrack", "train"),
}


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> SMPL fits to the pictures of six data sets."""
    return [
        dataset(
            f"hps_datasets:cards/{name}.toml",
            people=f"hps_datasets.eft.people:{name.replace('-', '_')}",
            references=references,
            options={"images": ""},  # folder of the data set that the pictures are from
        )
        for name, references in REFERENCES.items()
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny files of fits."""
    main = [
        expected(f"human_data/eft__{file}.npz", dataset_name, "eft", split, "mmhuman3d")
        for file, (dataset_name, split) in MAIN.items()
    ]
    benchmarks = [
        expected(
            f"human_data_hmr_benchmarks/eft__{file}_nosmpl.npz",
            *(dataset_name, "eft", split, "hmr-benchmarks"),
        )
        for file, (dataset_name, split) in BENCHMARKS.items()
    ]
    return main + benchmarks
