"""Registers data sets that others packed: METRO's tables, 4D-Humans' tars, BEDLAM's labels."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

READERS = "hps_datasets.shard_forms"


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> forms of data that other code reads."""
    return [
        dataset(
            "hps_datasets:cards/tsv.toml",
            people=f"{READERS}.tsv:tsv",
            references=("metro",),
            # the list to read, below the folder; of its tables those in folders with this name
            options={"yaml": "", "only": ""},
        ),
        dataset(
            "hps_datasets:cards/hmr2-tar.toml",
            people=f"{READERS}.hmr2:hmr2",
            references=("hmr2",),
            options={
                "tars": "",  # names below the folder, with {000000..000012}; "": all
                "masks": False,
                **dict.fromkeys(
                    (
                        *("least_confidence", "largest_beta", "both", "only_with_pose"),
                        *("joints_more_than", "loss_below", "box_larger_than", "mean_shape"),
                    ),
                    -1.0,  # not given
                ),
            },
        ),
        dataset(
            "hps_datasets:cards/bedlam.toml",
            people=f"{READERS}.bedlam:bedlam",
            references=("bedlam",),
            options={"part": 1.0},  # of each file, from its front
        ),
        dataset(
            "hps_datasets:cards/bedlam-npz.toml",
            people=f"{READERS}.bedlam:bedlam_npz",
            references=("bedlam",),
            options={
                "labels": "*.npz",
                "images": "images/{scene}",  # folder of the pictures of a file
                "part": 1.0,
            },
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official loaders make of tiny files."""
    tables = {
        "3dpw_test": ("test", "3dpw/test_has_gender.yaml"),
        "freihand_train": ("train", "freihand/train.yaml"),
        "h36m_train": ("train", "human3.6m/train.yaml"),
        "tax": ("train", "Tax-fixture/train.yaml"),
    }
    metro = [
        expected(
            f"metro/metro_tsv__{name}.npz",
            "tsv",
            "metro_tsv",
            split,
            "metro",
            form=f"{READERS}.goldens:metro_rows",
            yaml=yaml,
        )
        for name, (split, yaml) in tables.items()
    ]
    hmr2 = expected(
        "hmr2/hmr2__webdataset.npz",
        "hmr2-tar",
        "hmr2",
        "train",
        "hmr2",
        form=f"{READERS}.goldens:hmr2_rows",
        masks=True,
    )
    bedlam = [
        expected(
            f"derived/bedlam__{scene}.npz",
            "bedlam-npz",
            "bedlam",
            "train",
            "",
            form=f"{READERS}.goldens:bedlam_rows",
            labels=f"training_labels/all_npz_12_training/{scene}.npz",
            images="training_images/{scene}/png",
        )
        for scene in (
            "20221010_3_1000_batch01hand_6fps",
            "20221011_1_250_batch01hand_closeup_suburb_a_6fps",
        )
    ]
    return [*metro, hmr2, *bedlam]
