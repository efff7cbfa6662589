"""Predictions find their people by the names of pictures."""

import numpy as np
import pytest

from hpscli.errors import InvalidData
from hpscli.records import PredictionSet
from hpscli.run.matching import BY_ORDER, keyed


def predicted(*pictures: str) -> PredictionSet:
    values = np.arange(len(pictures), dtype=np.float64)
    return PredictionSet(
        keys=(),
        arrays={"score": values},
        meta=tuple({"image_path": name, "row": row} for row, name in enumerate(pictures)),
    )


def people(*pictures: str) -> tuple[list[str], list[dict[str, str]]]:
    return [f"p{n}" for n in range(len(pictures))], [{"image_path": name} for name in pictures]


def found(predictions: PredictionSet, *pictures: str) -> dict[str, float]:
    keyed_set = keyed(predictions, *people(*pictures))
    assert [m["row"] for m in keyed_set.meta] == keyed_set.arrays["score"].tolist()
    return dict(zip(keyed_set.keys, keyed_set.arrays["score"].tolist(), strict=True))


def test_another_order_and_another_beginning_of_paths_are_no_matter() -> None:
    given = predicted("/data/imageFiles/b/1.jpg", "/data/imageFiles/a/1.jpg", "C:\\x\\a\\2.jpg")
    assert found(given, "imageFiles/a/1.jpg", "a/2.jpg", "imageFiles/b/1.jpg") == {
        "p0": 1.0,
        "p1": 2.0,
        "p2": 0.0,
    }


def test_people_of_one_picture_keep_their_order_and_strangers_are_left_out() -> None:
    given = predicted("a.jpg", "other.jpg", "b.jpg", "a.jpg")
    assert found(given, "a.jpg", "b.jpg", "a.jpg") == {"p0": 0.0, "p2": 3.0, "p1": 2.0}


def test_a_picture_with_another_number_of_people_is_refused() -> None:
    with pytest.raises(InvalidData, match="a.jpg has 2 people on the list and 1 predictions"):
        keyed(predicted("a.jpg", "b.jpg"), *people("a.jpg", "a.jpg", "b.jpg"))


def test_a_picture_without_predictions_is_named() -> None:
    with pytest.raises(InvalidData, match=r"nothing is predicted about the picture b\.jpg"):
        keyed(predicted("a.jpg"), *people("a.jpg", "b.jpg"))


def test_without_names_or_with_foreign_ones_the_order_of_the_file_stays() -> None:
    nameless = PredictionSet(keys=(), arrays={"score": np.zeros(2)})
    assert keyed(nameless, *people("a.jpg", "b.jpg")) is nameless
    foreign = keyed(predicted("x.jpg", "y.jpg"), *people("a.jpg", "b.jpg"))
    assert foreign.keys == () and foreign.about["order"] == BY_ORDER
    with_keys = PredictionSet(keys=("p1", "p0"), arrays={"score": np.zeros(2)})
    assert keyed(with_keys, *people("a.jpg", "b.jpg")) is with_keys
