"""Registers data sets of hands and of whole bodies with hands, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

PACKAGE = "hps_datasets.hands"


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> FreiHAND, HO-3D and EHF."""
    return [
        dataset(
            "hps_datasets:cards/freihand.toml",
            people=f"{PACKAGE}.freihand:freihand",
            references=("mmhuman3d",),
            options={
                "held_out": 0.0
            },  # share of the poses that split validation takes out of train
        ),
        dataset("hps_datasets:cards/ho3d.toml", people=f"{PACKAGE}.ho3d:ho3d"),
        dataset(
            "hps_datasets:cards/ehf.toml",
            people=f"{PACKAGE}.ehf:ehf",
            references=("mmhuman3d",),
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what mmhuman3d makes of tiny downloads, and FreiHAND's joints on the right names."""
    cases = (
        ("freihand__freihand_train", "freihand", "train"),
        ("freihand__freihand_val", "freihand", "validation"),
        ("freihand__freihand_test", "freihand", "test"),
        ("ehf__ehf_val", "ehf", "test"),
    )
    derived = "derived/freihand_correct_order.npz"
    return [
        *(
            expected(f"human_data/{name}.npz", data_set, data_set, split, "mmhuman3d")
            for name, data_set, split in cases
        ),
        expected(
            derived,
            "freihand",
            "freihand",
            "train",
            "",
            form=f"{PACKAGE}.freihand:as_derived",
            left_out=("bbox_xywh",),  # mmhuman3d's, the whole picture
        ),
    ]
