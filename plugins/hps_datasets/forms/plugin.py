"""Registers the pre-parsed .npz forms as data sets, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

PICTURES = {
    "annotations": "",  # the .npz, below the folder or anywhere; "": the only one in the folder
    "images": "",  # folder of the pictures below that of --from
    "strip": "",  # beginning of every stored name that is not part of the path
}
HUMAN_DATA = {  # file: its decoded twin in expected/human_data
    "agora_train_smplx": "agora__agora_train_smplx",
    "coco_2014_train": "coco__coco_2014_train",
    "coco_wholebody_val": "coco_wholebody__coco_wholebody_val",
    "eft_coco_all": "eft__eft_coco_all",
    "h36m_mosh_train": "h36m__h36m_mosh_train",
    "mpi_inf_3dhp_train": "mpi_inf_3dhp__mpi_inf_3dhp_train",
    "pw3d_test": "pw3d__pw3d_test",
}

SPIN = {  # file: the name that mmhuman3d's converter gives it
    "coco_2014_train": "coco_2014",
    "lsp_dataset_original_train": "lsp",
    "hr-lspet_train": "lspet",
    "mpi_inf_3dhp_train": "mpi_inf_3dhp",
    "mpii_train": "mpii",
}
CAMERAS = {"h36m_mosh_train": "hps_datasets.forms.goldens:h36m_cameras"}


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> files that others made from original downloads."""
    return [
        dataset(
            "hps_datasets:cards/humandata.toml",
            people="hps_datasets.forms.human_data:people",
            references=("mmhuman3d",),
            options={
                **PICTURES,
                "points2d": "",  # entry with the 2D joints; "": the first that SMPLer-X would take
                "points3d": "",  # the same of the 3D joints
                "box_scale": 1.0,  # of the stored boxes; 1.2 where they end with the person
                "hand": "right",  # side of MANO parameters that do not say it
                "hands": "",  # hand poses are relative to the flat or the mean hand; "": see `misc`
            },
        ),
        dataset(
            "hps_datasets:cards/spin-npz.toml",
            people="hps_datasets.forms.spin:people",
            references=("spin", "mmhuman3d", "hmr2"),
            options={
                **PICTURES,
                "fits": "",  # SPIN's static fits, an .npy below the folder or anywhere
                "scale": "auto",  # unit of `scale`: 200 (of them px), px; auto: px if it has two
            },
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> decoded twins of HumanData files, and what others make of SPIN's."""
    twins = [
        expected(
            f"human_data/{twin}.npz",
            "humandata",
            "human_data",
            "train",
            "mmhuman3d",
            annotations=f"{name}.npz",
            name=f"datasets/human_data_{name}",
            cameras=CAMERAS.get(name, ""),
        )
        for name, twin in HUMAN_DATA.items()
    ]
    converted = [
        expected(
            f"human_data/spin__spin_{official}_train.npz",
            "spin-npz",
            "spin",
            "train",
            "mmhuman3d",
            annotations=f"{name}.npz",
        )
        for name, official in SPIN.items()
    ]
    evaluation = expected(
        "hmr2/hmr2__eval_npz.npz",
        "spin-npz",
        "hmr2",
        "validation",
        "hmr2",
        annotations="h36m_val_p2.npz",
        images="images",
        form="hps_datasets.forms.goldens:hmr2_items",
    )
    return [*twins, *converted, evaluation]
