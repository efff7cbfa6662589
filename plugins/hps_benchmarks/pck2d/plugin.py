"""2D joints on pictures: PCK as HMR 2.0 evaluates COCO, LSP Extended and PoseTrack, and for LSP."""

from hpscli.hooks import ProtocolSpec, hookimpl

HERE = "hps_benchmarks.pck2d"
FOCAL_PX = 5000.0  # of HMR 2.0's camera, in crop pixels
SAYS = {
    "crop": "as the model's authors cut, around the annotated box",
    "joints": "44 joints of hmr2_44, of which the labelled ones count",
    "truth": "labelled 2D joints with a confidence above 0.5",
    "root": "nothing is moved",
    "size": "distances are in sizes of the person's box (its longer side, margin included); "
    "a hit is strictly nearer",
    "mean": "mean over the joints that somebody has of each joint's share of its labels",
}
SETS = (
    # data set, split, rule, standing, what is different from the authors' lists of people
    ("coco", "validation", "hmr2-v1", "official", "The authors' own list is in coco_val.npz."),
    ("coco", "validation2017", "hmr2-v1", "official", "These are the pictures of 2017."),
    (
        "lsp-extended",
        "train",
        "hmr2-v1",
        "official",
        "The authors' metadata call joints without label labelled; the owner's files do not.",
    ),
    (
        "posetrack18",
        "validation",
        "hmr2-v1",
        "official",
        "The authors keep people whose 12 body joints are all labelled.",
    ),
    ("lsp", "test", "pck-v1", "ours", "The rule of HMR 2.0 on another data set."),
)


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> a protocol for each data set with 2D joints."""
    return [
        ProtocolSpec(
            name=f"{testset}/{split}@{rule}",
            testset=testset,
            split=split,
            summary="PCK of projected joints at 5 and 10 % of the person's box, as HMR 2.0 counts.",
            body="smpl",
            joints="hmr2_44",
            root=(),
            metrics=(),
            default=split != "validation2017",
            rule=f"{HERE}.rule:Pck2dRule",
            options={"focal_px": FOCAL_PX},
            standing=standing,
            models=("hmr2",),
            says={
                **SAYS,
                "people": f"everybody in the shards with a labelled joint. {people}",
            },
            source="4D-Humans 6ec7965, hmr2/utils/pose_utils.py and hmr2/datasets/preprocess",
            licence="as the data set says",
        )
        for testset, split, rule, standing, people in SETS
    ]
