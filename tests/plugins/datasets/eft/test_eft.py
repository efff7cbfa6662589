"""EFT's fits: ours, and as official converters make them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.data.people import Layout
from hpscli.data.preparing.workers import encoded
from hpscli.data.sources import Bad, Encoded, Source
from hpscli.errors import InvalidData, MissingError
from hpscli.records import Person
from tests.plugins.datasets.reading import box_of, picture, read, spec_of

TURN = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]  # a quarter about z
FILES = {  # data set: file of its first split, folder of its pictures
    "eft-coco": ("COCO2014-All-ver01.json", "train2014/"),
    "eft-coco-part": ("COCO2014-Part-ver01.json", "train2014/"),
    "eft-lspet": ("LSPet_train_ver10.json", ""),
    "eft-ochuman": ("OCHuman_train_ver10.json", "images/"),
    "eft-posetrack": ("PoseTrack_ver01.json", "images/train/"),
    "eft-mpii": ("MPII_ver01.json", "images/"),
}


def person_in(name: str, root: Path, split: str = "train", **options: Any) -> Person:
    (person,) = read(name, root, split, **options)
    assert isinstance(person, Person), person
    return person


def fit(**changes: Any) -> dict[str, Any]:
    points = np.full((49, 3), 50.0)
    points[:, 2] = 1
    return {
        "parm_pose": [TURN, *np.repeat(np.eye(3)[None], 23, 0).tolist()],
        "parm_shape": [0.5] * 10,
        "parm_cam": [0.9, 0.1, 0.2],
        "bbox_scale": 0.3,
        "bbox_center": [50.0, 40.0],
        "gt_keypoint_2d": points.tolist(),
        "joint_validity_openpose18": [True] * 18,
        "smpltype": "smpl",
        "annotId": 12,
        "imageName": "a.jpg",
    } | changes


def write(path: Path, *fits: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"ver": 0.1, "data": list(fits)}))


def test_a_fit_becomes_a_person_in_the_camera_of_its_crop(tmp_path: Path) -> None:
    write(tmp_path / "COCO2014-All-ver01.json", fit())
    person = person_in("eft-coco", tmp_path)
    np.testing.assert_allclose(person.arrays["smpl.global_orient"], [0, 0, np.pi / 2], atol=1e-12)
    np.testing.assert_allclose(person.arrays["smpl.body_pose"], np.zeros(69), atol=1e-12)
    np.testing.assert_allclose(person.arrays["extra.weak_camera"], [0.9, 0.1, 0.2])
    np.testing.assert_allclose(box_of(person), [20, 10, 60, 60])  # no second margin
    assert "smpl.transl" not in person.arrays
    assert person.meta["root_frame"] == "crop"
    assert (person.meta["gender"], person.meta["body_source"]) == ("neutral", "imported")


@pytest.mark.parametrize("name", list(FILES))
def test_the_parents_pictures_are_found_beside_inside_and_where_the_user_says(
    tmp_path: Path, name: str
) -> None:
    file, folder = FILES[name]
    parent = {"eft-coco-part": "coco", "eft-lspet": "lspet", "eft-posetrack": "posetrack18"}.get(
        name, name.removeprefix("eft-")
    )
    root = tmp_path / "eft"
    write(root / "eft_fit" / file, fit())
    spec = spec_of(name)
    for place, images in (
        (tmp_path / "elsewhere", "../elsewhere"),
        (tmp_path / parent, ""),
        (root / parent, ""),
    ):
        picture(place / f"{folder}a.jpg")
        options = {**spec.options, "images": images}
        source = Source(spec=spec, root=root, split="train", options=options, layout=Layout())
        (item,) = list(encoded(source, 0, None, 1))
        assert isinstance(item, Encoded), item
        assert person_in(name, root, images=images).image == f"{folder}a.jpg"
    with pytest.raises(MissingError, match="no folder"):
        read(name, root, images="nowhere")


def test_one_converter_leaves_out_the_body_and_the_folder_of_validation(tmp_path: Path) -> None:
    write(tmp_path / "COCO2014-Val-ver10.json", fit())
    ours = person_in("eft-coco", tmp_path, "validation")
    assert ours.image == "val2014/a.jpg"
    assert "smpl.betas" in ours.arrays
    theirs = person_in("eft-coco", tmp_path, "validation", reference="hmr-benchmarks")
    assert theirs.image == "a.jpg"
    assert not [name for name in theirs.arrays if name.startswith("smpl.")]
    assert (
        "smpl.betas" in person_in("eft-coco", tmp_path, "validation", reference="mmhuman3d").arrays
    )


def test_the_newer_fits_to_lsp_extended_are_read_unless_a_converter_is_followed(
    tmp_path: Path,
) -> None:
    write(tmp_path / "LSPet_fit" / "LSPet_ver01.json", fit(imageName="old.png"))
    assert person_in("eft-lspet", tmp_path).image == "old.png"
    write(tmp_path / "LSPet_train_ver10.json", fit(imageName="new.png"))
    assert person_in("eft-lspet", tmp_path).image == "new.png"
    assert person_in("eft-lspet", tmp_path, reference="mmhuman3d").image == "old.png"
    assert person_in("eft-lspet", tmp_path, reference="hmr-benchmarks").image == "new.png"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"parm_pose": np.zeros((24, 3, 3)).tolist()}, "no rotation"),
        ({"parm_pose": [TURN]}, "shape (1, 3, 3) where (24, 3, 3) is expected"),
        ({"parm_pose": [[[None] * 3] * 3] * 24}, "fit 0"),
        ({"parm_pose": [[[float("-inf")] * 3] * 3] * 24}, "not finite"),
        ({"parm_shape": [float("nan")] * 10}, "not finite"),
        ({"imageName": "x" * 3000}, "cannot be read"),
        ({"bbox_scale": -0.3}, "bbox_scale is -0.3"),
        ({"bbox_center": [1e9, 1e9]}, "box lies outside the image"),
        ({"imageName": "../a.jpg"}, "lies outside the folder"),
        ({"imageName": 3}, "no name of a picture"),
        ({"gt_keypoint_2d": []}, "shape (0,)"),
    ],
)
def test_a_broken_fit_is_named_and_the_others_go_on(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    write(tmp_path / "MPII_ver01.json", fit(**changes), "no fit", fit())
    picture(tmp_path / "images/a.jpg")
    spec = spec_of("eft-mpii")
    options = {**spec.options}
    source = Source(spec=spec, root=tmp_path, split="train", options=options, layout=Layout())
    broken, text, sound = list(encoded(source, 0, None, 1))
    assert isinstance(broken, Bad)
    assert says in broken.problem
    assert isinstance(text, Bad)
    assert isinstance(sound, Encoded)


def test_files_that_are_not_there_or_not_of_eft_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"has no MPII_ver01\.json"):
        read("eft-mpii", tmp_path)
    (tmp_path / "MPII_ver01.json").write_text('{"data": {}}')
    with pytest.raises(InvalidData, match="has no list 'data'"):
        read("eft-mpii", tmp_path)
    (tmp_path / "MPII_ver01.json").write_text('{"data": []}')
    assert read("eft-mpii", tmp_path) == []
