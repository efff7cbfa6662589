"""Registers the data sets of motion capture studios, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

HERE = "hps_datasets.studio"
CHEST_HEIGHT = "0,1,2,4,5,6,7,8"  # the cameras that published training sets use
CAMERAS = {"cameras": f"{HERE}.cameras:h36m_camera_document"}


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> Human3.6M, MPI-INF-3DHP and what was made from it, 3DOH50K."""
    return [
        dataset(
            "hps_datasets:cards/h36m.toml",
            people=f"{HERE}.h36m:h36m",
            references=("mmhuman3d", "spin"),
            options={"every": 5, "mosh": ""},
        ),
        dataset(
            "hps_datasets:cards/mpi-inf-3dhp.toml",
            people=f"{HERE}.inf_3dhp_test:mpi_inf_3dhp",
            references=("mmhuman3d", "spin"),
            options={
                "every": 10,
                "inside": 17,
                "cameras": CHEST_HEIGHT,
                "annotation": "annot3",
                "openpose": "",
            },
        ),
        dataset(
            "hps_datasets:cards/mupots-3d.toml",
            people=f"{HERE}.mupots:mupots_3d",
            references=("hmr-benchmarks",),
        ),
        dataset(
            "hps_datasets:cards/muco-3dhp.toml",
            people=f"{HERE}.muco:muco_3dhp",
            references=("hmr-benchmarks",),
        ),
        dataset(
            "hps_datasets:cards/3doh50k.toml",
            people=f"{HERE}.oh50k3d:oh50k3d",
            references=("hmr-benchmarks",),
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny downloads."""
    ours, theirs = "human_data", "human_data_hmr_benchmarks"
    inf, inf_file = "mpi-inf-3dhp", f"{ours}/mpi_inf_3dhp__mpi_inf_3dhp"
    openpose = {"openpose": "../openpose/mpi_inf_3dhp"}
    found = [
        expected(f"{ours}/h36m__h36m_{name}.npz", "h36m", "h36m", split, "mmhuman3d", **options)
        for name, split, options in (
            ("train", "train", CAMERAS),
            ("mosh_train", "train", {**CAMERAS, "mosh": "../h36m_mosh"}),
            ("valid_protocol1", "validation-p1", CAMERAS),
            ("valid_protocol2", "validation-p2", CAMERAS),
        )
    ]
    found += [
        expected(
            f"spin/h36m_valid_protocol{n}.npz",
            "h36m",
            "h36m",
            f"validation-p{n}",
            "spin",
            form="spin",
        )
        for n in (1, 2)
    ]
    for split, more in (("train", openpose), ("test", {})):
        found += [
            expected(f"{inf_file}_{split}.npz", inf, "mpi_inf_3dhp", split, "mmhuman3d"),
            expected(
                f"spin/mpi_inf_3dhp_{split}.npz",
                inf,
                "mpi_inf_3dhp",
                split,
                "spin",
                form="spin",
                **more,
            ),
        ]
    for file, name, fixture, split in (
        ("muco__muco3dhp_augmented_train", "muco-3dhp", "muco", "train-augmented"),
        ("mupots__mupots3d_train", "mupots-3d", "mupots", "test"),
        ("oh50k3d__oh50k3d_train", "3doh50k", "oh50k3d", "train"),
        ("oh50k3d__oh50k3d_test", "3doh50k", "oh50k3d", "test"),
    ):
        found.append(expected(f"{theirs}/{file}.npz", name, fixture, split, "hmr-benchmarks"))
    return found
