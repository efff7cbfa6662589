import json
from pathlib import Path

import numpy as np

from hpscli.data.dump import write_npz, write_pictures
from hpscli.data.preparation import BOX_MARGIN, crop_window
from hpscli.data.sample import decode_image
from hpscli.run.boxes import read_coco_boxes
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
