"""A training shows each network its people as large as its authors do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hpscli.data.crops import crop_box
from hpscli.data.evalset import EvalSet
from hpscli.errors import HpsError
from hpscli.records import Batch
from hpscli.train.job import Job, stream
from hpscli.train.loop import train
from tests.train.labelled import labelled_people, small_recipe


@pytest.mark.parametrize(("size", "seen"), [(256, 0.75), (64, 1.0)])
def test_the_columns_that_hmr2_sees_hold_the_whole_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, seen: float
) -> None:
    """Its authors' picture has 256 px; at another size it is ours, and a box fills it."""
    people = labelled_people(tmp_path / "people", 4, split="train")
    shown: list[Batch] = []

    def first_of(job: Job) -> Iterator[Batch]:
        shown.append(next(stream(job)))
        raise HpsError("seen enough")

    monkeypatch.setattr("hpscli.train.loop.stream", first_of)
    recipe = small_recipe(
        people,
        model__name="hmr2",
        model__preset="tiny",
        model__options={"size": size},
        augment__scale=0,
        augment__rotation_degrees=0,
        augment__shift=0,
        data__image_size=[size, size],
        loss={"keypoints3d": 1.0},
    )
    with pytest.raises(HpsError, match="seen enough"):
        train(recipe, tmp_path / "run", validate=False, device="cpu")
    found = {sample.key: crop_box(sample, (size, size))[1] for sample in EvalSet(str(people))}
    (batch,) = shown
    assert batch.image.shape[-2:] == (size, size)
    for key, affine in zip(batch.keys, batch.affine, strict=True):
        assert abs(float(affine[1, 1])) == pytest.approx(size * seen / found[key])
