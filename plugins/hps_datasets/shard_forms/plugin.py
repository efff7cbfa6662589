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
            options={"yaml": ""},  # the list to read, below the folder
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
    return [
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
