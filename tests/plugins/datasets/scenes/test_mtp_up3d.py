"""MTP and UP-3D: pictures that have files of their own."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hpscli.body.joints import joint_set
from hpscli.data.labels import gather_joints
from hpscli.errors import InvalidData, MissingError, UsageError
from tests.plugins.datasets.scenes.scene_files import (
    NUMBERS,
    detections,
    import_free_body,
    openpose,
    pickled,
    picture,
    read,
)


def write_mtp(root: Path, names: dict[str, np.ndarray | None], **fit: Any) -> None:
    (root / "train_val_split.json").write_text(json.dumps({"train": [*names], "val": []}))
    for name, points in names.items():
        picture(root / f"images/p1/{name}.png")
        openpose(root / f"keypoints/openpose/p1/{name}.json", points)
        content = {"pose": NUMBERS.normal(size=72), "betas": np.zeros((1, 10)), **fit}
        pickled(root / f"smplify-xmc/smpl/params/p1/{name}.pkl", content)


def test_mtp_keeps_confidences_and_leaves_doubtful_joints_out_of_the_box(tmp_path: Path) -> None:
    points = detections()
    write_mtp(tmp_path, {"s0_p1_001": points, "s0_p1_002": None})
    ((person,), bad) = read("mtp", tmp_path, "train")
    ((official,), _) = read("mtp", tmp_path, "train", reference="hmr-benchmarks")
    assert not bad
    assert person.box is not None and official.box is not None
    np.testing.assert_allclose(person.box[2:], 1.2 * np.ptp(points[:-3, :2], axis=0))
    np.testing.assert_allclose(official.box[2:], [72, 48])
    np.testing.assert_allclose(person.arrays["keypoints2d.openpose25"], points)
    assert official.arrays["keypoints2d.openpose25"][-4:, 2].tolist() == [1, 0, 0.1, 0.12]
    assert person.arrays["smpl.betas"].shape == (10,)
    assert read("mtp", tmp_path, "validation") == ([], [])


def test_openposes_joints_of_mtp_can_be_learnt_as_annotated_ones(tmp_path: Path) -> None:
    points = detections()
    write_mtp(tmp_path, {"s0_p1_001": points})
    options = {"reference": "hmr-benchmarks", "slots": "annotated"}
    ((person,), _) = read("mtp", tmp_path, "train", **options)
    found = gather_joints({n: v[None] for n, v in person.arrays.items()}, "keypoints2d", "smpl54")
    assert found is not None
    names, theirs = joint_set("smpl54").joints, joint_set("openpose25").joints
    for name in ("nose", "right_wrist", "left_knee", "right_hip"):
        wanted = points[theirs.index(f"{name}_openpose"), :2]
        np.testing.assert_allclose(found[0, names.index(name), :2], wanted, rtol=1e-6)
    with pytest.raises(UsageError, match="habit of hmr-benchmarks"):
        read("mtp", tmp_path, "train", slots="annotated")
    with pytest.raises(UsageError, match="is none of"):
        read("mtp", tmp_path, "train", **{**options, "slots": "own"})


def test_broken_records_of_mtp_are_named(tmp_path: Path) -> None:
    names = {"s0_p1_001": detections(), "s0_p1_002": np.zeros((25, 3)), "s0_p1_003": detections()}
    write_mtp(tmp_path, {**names, "nopart": None, "../_p1_x": None})
    pickled(tmp_path / "smplify-xmc/smpl/params/p1/s0_p1_001.pkl", {"pose": np.zeros(3)})
    people, bad = read("mtp", tmp_path, "train")
    assert [person.key for person in people] == ["s0_p1_003"]
    words = ("'s0_p1_001': shape (3,)", "not a joint", "'nopart'", "outside the folder")
    assert all(word in message for word, message in zip(words, bad, strict=True))
    (tmp_path / "train_val_split.json").write_text("[]")
    with pytest.raises(InvalidData, match="no dictionary"):
        read("mtp", tmp_path, "train")


def write_up3d(root: Path, lines: str, **changes: Any) -> dict[str, Any]:
    (root / "test.txt").write_text(lines)
    picture(root / "00001_image.png", (40, 60))
    render = np.full((40, 60, 3), 255, np.uint8)
    render[10:30, 20:30] = 80
    cv2.imwrite(str(root / "00001_render_light.png"), render)
    points = np.concatenate([NUMBERS.uniform(10, 30, (2, 14)), np.ones((1, 14))])
    np.save(root / "00001_joints.npy", points)
    fit = {"pose": NUMBERS.normal(0, 0.4, 72), "betas": NUMBERS.normal(0, 0.4, 10), "f": 5000.0}
    fit |= {"trans": NUMBERS.normal(size=3), "rt": np.zeros(3), "t": np.array([0.1, 0.2, 40.0])}
    pickled(root / "00001_body.pkl", {**fit, **changes})
    return {**fit, **changes, "points": points}


def test_both_forms_of_up3ds_lists_are_read(tmp_path: Path) -> None:
    fit = write_up3d(tmp_path, "/00001_image.png\n\n00001_image.png 512.0\n")
    people, bad = read("up-3d", tmp_path, "test")
    assert not bad and len(people) == 2
    np.testing.assert_allclose(people[0].arrays["keypoints2d.lsp14"], fit["points"].T)


def test_up3ds_box_has_a_margin_where_converters_cut_the_body(tmp_path: Path) -> None:
    write_up3d(tmp_path, "/00001_image.png")
    ((person,), _) = read("up-3d", tmp_path, "test")
    ((official,), _) = read("up-3d", tmp_path, "test", reference="mmhuman3d")
    assert person.box is not None and official.box is not None
    np.testing.assert_allclose(person.box, [19, 8, 12, 24])
    np.testing.assert_allclose(official.box, [20.5, 11, 9, 18])
    assert not any(name.startswith("camera") for name in official.arrays)


def test_up3ds_camera_is_kept(tmp_path: Path) -> None:
    fit = write_up3d(tmp_path, "/00001_image.png")
    ((person,), _) = read("up-3d", tmp_path, "test")
    np.testing.assert_allclose(person.arrays["smpl.transl"], fit["trans"] + fit["t"], atol=1e-6)
    assert person.arrays["camera.intrinsics"].tolist() == [[5000, 0, 30], [0, 5000, 20], [0, 0, 1]]
    fit = write_up3d(tmp_path, "/00001_image.png", rt=np.array([0.3, 0.1, -0.2]))
    ((person,), _) = read("up-3d", tmp_path, "test")
    root = cv2.Rodrigues(fit["rt"])[0] @ cv2.Rodrigues(fit["pose"][:3])[0]
    found = cv2.Rodrigues(person.arrays["smpl.global_orient"])[0]
    np.testing.assert_allclose(found, root, atol=1e-6)
    assert "smpl.transl" not in person.arrays
    import_free_body("smpl", "neutral")
    ((person,), _) = read("up-3d", tmp_path, "test")
    assert "smpl.transl" in person.arrays


def test_broken_records_of_up3d_are_named(tmp_path: Path) -> None:
    write_up3d(tmp_path, "/00001_image.png\n/00002_image.png\n/../../x\n")
    people, bad = read("up-3d", tmp_path, "test")
    assert len(people) == 1
    assert "00002_body.pkl cannot be read" in bad[0] and "outside the folder" in bad[1]
    cv2.imwrite(str(tmp_path / "00001_render_light.png"), np.full((4, 4, 3), 255, np.uint8))
    assert "white all over" in read("up-3d", tmp_path, "test")[1][0]
    write_up3d(tmp_path, "/00001_image.png", f=np.zeros(2))
    assert "'/00001_image.png': shape (2,)" in read("up-3d", tmp_path, "test")[1][0]
    with pytest.raises(MissingError, match="val.txt"):
        read("up-3d", tmp_path, "validation")
