"""Registers the sets of OSX, Hand4Whole and SMPLer-X, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

READERS = "hps_datasets.osx_forms.people"
# interval: every n-th annotation; 0: all, or as OSX's configuration when that is asked for
UBODY = {"interval": 0, "scenes": "", "split_list": "intra"}
LISTS = (  # class and split of OSX, set, split
    ("AGORA_benchmark_test", "AGORA", "test"),
    ("AGORA_test", "AGORA", "validation"),
    ("AGORA_train", "AGORA", "train"),
    ("EHF_test", "EHF", "test"),
    ("Human36M_test", "Human36M", "test"),
    ("Human36M_train", "Human36M", "train"),
    ("MPII_train", "MPII", "train"),
    ("MPI_INF_3DHP_train", "MPI_INF_3DHP", "train"),
    ("MSCOCO_test", "MSCOCO", "validation"),
    ("MSCOCO_train", "MSCOCO", "train"),
    ("PW3D_test", "PW3D", "test"),
    ("PW3D_train", "PW3D", "train"),
)


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> the JSON of OSX's sets, and UBody under its own name."""
    return [
        dataset(
            "hps_datasets:cards/osx-json.toml",
            people=f"{READERS}:osx_json",
            references=("osx",),
            options={"set": "", **UBODY},
        ),
        dataset(
            "hps_datasets:cards/ubody.toml",
            people=f"{READERS}:ubody",
            references=("osx",),
            options=UBODY,
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> the lists that OSX's classes make of tiny downloads."""
    lists = [
        expected(f"osx/osx__{name}.npz", "osx-json", "osx", split, "osx", form="osx", set=chosen)
        for name, chosen, split in LISTS
    ]
    scenes = [
        expected(
            f"osx/osx__UBody_Part_{split}.npz", "ubody", "osx", split, "osx", form="osx", interval=1
        )
        for split in ("train", "test")
    ]
    return [*lists, *scenes]
