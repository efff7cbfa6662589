"""What sets the data sets in COCO's layout apart, and what sets their official converters apart.

Sources: the owners' files; mmhuman3d, hmr-benchmarks and SPIN as read and run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

BODY = (5, 17)  # coco17, posetrack17: shoulders and everything below


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one program makes of the same labels; the defaults are ours."""

    by_image: bool = True  # people sorted by the number of their picture, else as in the file
    crowds: bool = False  # boxes around groups count as people
    box: str = "margin"  # both sides with margin; "square": the longer one; "stored": as it stands
    confidence: str = "labelled"  # 1 where labelled; "positive": 1 where v > 0; "raw": v itself
    least_joints: int | None = None  # instead of the option
    existing: bool = False  # people of missing pictures are left out without a word
    nested_only: bool = False  # nobody is found in a file of images and annotations side by side


@dataclass(frozen=True, kw_only=True)
class Part:
    """Joints of one list: the entry that holds x, y, v of each, the flag and the box beside it."""

    entry: str
    count: int
    flag: str = ""
    box: str = ""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of one split."""

    name: str  # keys begin with it
    files: str  # glob below the root
    folders: tuple[str, ...]  # where the pictures may lie; the first name is ours
    joints: str
    layout: str = "annotations"  # or "images": people inside their picture; "humans": AI Challenger
    parts: tuple[Part, ...] = ()  # () = one list of all joints, "keypoints"
    counted: tuple[int, int | None] = (0, None)  # first and end of what `least_joints` counts
    counted_inside: bool = False  # only those that lie inside the picture
    unlabelled: tuple[float, ...] = ()  # values of v above 0 that mean: not labelled
    corners: bool = False  # the box is written as x0, y0, x1, y1
    joint_names: str = ""  # entry of the file that names the order of joints
    official_folder: str = ""  # before the name of a picture in mmhuman3d, where it is not ours
    meta: Mapping[str, str] = field(default_factory=dict)  # entry of a person -> our word
    image_meta: Mapping[str, str] = field(default_factory=dict)  # entry of a picture -> our word
    readings: Mapping[str, Reading] = field(default_factory=dict)  # by converter


# boxes without margin, groups among people, in the order of the file
CONVERTER = Reading(by_image=False, crowds=True, box="stored", confidence="positive")
SPIN = replace(CONVERTER, box="square")

COCO_TRAIN = Labels(
    name="coco",
    files="annotations/person_keypoints_train2014.json",
    folders=("train2014/", "images/train2014/"),
    joints="coco17",
    counted=BODY,
    meta={"id": "annotation"},
    readings={
        "mmhuman3d": replace(CONVERTER, by_image=True, least_joints=12),
        "hmr-benchmarks": replace(CONVERTER, least_joints=12),
        "spin": replace(SPIN, least_joints=12),
    },
)


def coco_split(part: str) -> Labels:
    """-> the labels of COCO's files for val2014, train2017 or val2017."""
    return replace(
        COCO_TRAIN,
        files=f"annotations/person_keypoints_{part}.json",
        folders=(f"{part}/", f"images/{part}/"),
    )


COCO = {
    "train": COCO_TRAIN,
    "validation": coco_split("val2014"),
    "train2017": coco_split("train2017"),
    "validation2017": coco_split("val2017"),
}


def wholebody_split(part: str) -> Labels:
    """-> the labels of COCO-WholeBody for train or val."""
    return Labels(
        name="wholebody",
        files=f"annotations/coco_wholebody_{part}_v1.0.json",
        folders=(f"{part}2017/", f"images/{part}2017/", f"train_2017/{part}2017/"),
        official_folder=f"train_2017/{part}2017/",
        joints="coco_wholebody133",
        parts=(
            Part(entry="keypoints", count=17),
            Part(entry="foot_kpts", count=6, flag="foot_valid"),
            Part(entry="face_kpts", count=68, flag="face_valid", box="face_box"),
            Part(entry="lefthand_kpts", count=21, flag="lefthand_valid", box="lefthand_box"),
            Part(entry="righthand_kpts", count=21, flag="righthand_valid", box="righthand_box"),
        ),
        counted=BODY,
        meta={"id": "annotation"},
        readings={"mmhuman3d": replace(CONVERTER, least_joints=12)},
    )


COCO_WHOLEBODY = {"train": wholebody_split("train"), "validation": wholebody_split("val")}


def crowdpose_split(part: str) -> Labels:
    """-> the labels of CrowdPose for train, val, trainval or test."""
    return Labels(
        name="crowdpose",
        files=f"crowdpose_{part}.json",
        folders=("images/",),
        joints="crowdpose14",
        counted_inside=True,
        meta={"id": "annotation"},
        image_meta={"crowdIndex": "crowd_index"},
        readings={"mmhuman3d": replace(CONVERTER, least_joints=14)},
    )


CROWDPOSE = {
    "train": crowdpose_split("train"),
    "validation": crowdpose_split("val"),
    "trainval": crowdpose_split("trainval"),
    "test": crowdpose_split("test"),
}


def posetrack_split(part: str) -> Labels:
    """-> the labels of PoseTrack18 for train or val; its pictures' names are whole paths."""
    return Labels(
        name="posetrack",
        files=f"posetrack_data/annotations/{part}/*.json",
        folders=("",),
        joints="posetrack17",
        counted=BODY,
        meta={"id": "annotation", "track_id": "track", "person_id": "person"},
        image_meta={"vid_id": "video", "frame_id": "frame"},
        readings={"mmhuman3d": replace(CONVERTER, least_joints=12, existing=True)},
    )


POSETRACK18 = {"train": posetrack_split("train"), "validation": posetrack_split("val")}


def ai_challenger_split(part: str, made: str, pictures_made: str) -> Labels:
    """-> the labels of AI Challenger; the names of its folders hold dates."""
    top = f"ai_challenger_keypoint_{part}_{made}/"
    return Labels(
        name="aic",
        files=f"{top}keypoint_{part}_annotations_{made}.json",
        folders=(f"{top}keypoint_{part}_images_{pictures_made}/",),
        layout="humans",
        joints="aic14",
        unlabelled=(3.0,),
        corners=True,
        readings={"hmr-benchmarks": replace(CONVERTER, confidence="raw", least_joints=14)},
    )


AI_CHALLENGER = {
    "train": ai_challenger_split("train", "20170909", "20170902"),
    "validation": ai_challenger_split("validation", "20170911", "20170911"),
}

OCHUMAN_ALL = Labels(
    name="ochuman",
    files="ochuman.json",
    folders=("images/",),
    layout="images",
    joints="ochuman19",
    joint_names="keypoint_names",
    corners=True,
    meta={"max_iou": "max_iou"},
    readings={"hmr-benchmarks": replace(CONVERTER, least_joints=0)},
)


def ochuman_split(part: str) -> Labels:
    """-> the labels of OCHuman in COCO's format for val or test."""
    return Labels(
        name="ochuman",
        files=f"ochuman_coco_format_{part}_range_0.00_1.00.json",
        folders=("images/",),
        joints="coco17",
        meta={"id": "annotation"},
        readings={"hmr-benchmarks": replace(CONVERTER, nested_only=True)},
    )


OCHUMAN = {
    "train": OCHUMAN_ALL,
    "validation": ochuman_split("val"),
    "test": ochuman_split("test"),
}
