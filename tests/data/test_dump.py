import json
from pathlib import Path

import numpy as np
import pytest

from hps_datasets.synthetic.generate import indexed
from hpscli.data.containers.archives import load_npz
from hpscli.data.dump import write_form, write_npz, write_pictures
from hpscli.data.people import Layout, recropped
from hpscli.data.preparation import BOX_MARGIN, crop_window
from hpscli.data.sample import decode_image
from hpscli.errors import UsageError
from hpscli.run.predicting.boxes import read_coco_boxes
from tests.data.people import person


def test_pictures_come_with_boxes_that_predict_crops_like_training(tmp_path: Path) -> None:
    people = [person(0), person(1)]
    assert write_pictures(people, tmp_path, BOX_MARGIN) == 2
    images = sorted(tmp_path.glob("*.jpg")) or sorted(tmp_path.glob("*.png"))
    boxes = read_coco_boxes(tmp_path / "boxes.json", images)
    for one, image in zip(people, images, strict=True):
        assert image.read_bytes() == one.image
        size = decode_image(one.image).shape[:2]
        centre, side = crop_window(boxes[image][0], size, (64, 64))
        np.testing.assert_allclose(centre, one.arrays["box.center"], atol=0.02)
        np.testing.assert_allclose(side, one.arrays["box.size"][0], rtol=1e-3)
    assert len(json.loads((tmp_path / "boxes.json").read_text())["annotations"]) == 2


def test_what_somebody_lacks_is_nan_in_the_npz(tmp_path: Path) -> None:
    rich, poor = person(0), person(1)
    name = next(iter(rich.arrays))
    poor = type(poor)(
        key=poor.key,
        image=poor.image,
        arrays={k: v for k, v in poor.arrays.items() if k != name},
        meta=poor.meta,
    )
    write_npz([rich, poor], tmp_path / "people.npz")
    with np.load(tmp_path / "people.npz") as written:
        assert np.isnan(written[name][1]).all() and not np.isnan(written[name][0]).all()
        assert list(written["keys"]) == [rich.key, poor.key]


def test_labels_move_into_the_stored_picture_as_a_whole(tmp_path: Path) -> None:
    _, make = indexed(None, "test", body="smpl", size_px=64)
    crop = recropped(make(0), Layout(kind="crop", side_px=40))
    people = tmp_path / "people.npz"
    assert write_form([crop], "humandata", people, tmp_path / "images") == 1
    stored = load_npz(people)
    picture = tmp_path / "images" / str(stored["image_path"][0])
    assert picture.read_bytes() == crop.image
    seen = np.flatnonzero(stored["keypoints2d"][0, :, 2])
    projected = stored["keypoints3d"][0, seen, :3] @ np.array(stored["cam_param"][0]["in_mat"]).T
    points = projected[:, :2] / projected[:, 2:]
    np.testing.assert_allclose(stored["keypoints2d"][0, seen, :2], points, atol=1e-3)
    assert np.abs(points - crop.arrays["keypoints2d.smpl24"][:1, :2]).max() > 1  # they did move
    height, width = decode_image(crop.image).shape[:2]
    assert (stored["cam_param"][0]["H"], stored["cam_param"][0]["W"]) == (height, width)


def test_labels_stay_in_the_original_picture_without_stored_ones(tmp_path: Path) -> None:
    one = person(0)
    write_form([one], "spin-npz", tmp_path / "people.npz")
    stored = load_npz(tmp_path / "people.npz")
    np.testing.assert_allclose(stored["center"][0], one.arrays["box.center"])
    np.testing.assert_allclose(stored["scale"][0] * 200, one.arrays["box.size"][0])


@pytest.mark.parametrize(
    ("form", "words", "message"),
    [
        ("human", (), "humandata"),
        ("humandata", ("compress=false",), "compressed"),
        ("humandata", ("compressed=perhaps",), "true or false"),
        ("spin-npz", ("compressed=false",), "no option of spin-npz"),
    ],
)
def test_forms_and_options_that_nobody_has_are_refused(
    form: str, words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        write_form([person(0)], form, tmp_path / "people.npz", words=words)
