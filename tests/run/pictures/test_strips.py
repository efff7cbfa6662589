"""Strips of an evaluation: which files, the third tile, the whole picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hpscli.body.layer import load_body
from hpscli.data.evalset import EvalSet
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.preparation import OSX
from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.nn.checkpoints import LoadedModel, build_model
from hpscli.nn.files import CheckpointInfo
from hpscli.registry import get_registry
from hpscli.render.images import read_image
from hpscli.run.evaluate import evaluate
from hpscli.run.pictures.gallery import write_gallery
from hpscli.run.pictures.shown import shown_crop
from hpscli.run.pictures.strips import TILE_PX, write_strips
from tests.run.people import oracle_model, parameters, tiny_model, write_people

COUNT = 5


def protocol(kind: str = "smpl") -> ProtocolSpec:
    name = {"smpl": "synthetic/test@smpl24-v1", "smplx": "synthetic-wholebody/test@smplx55-v1"}
    found: ProtocolSpec = get_registry().protocol(name[kind])
    return found


def fastmetro(**options: object) -> LoadedModel:
    """-> a small FastMETRO that regresses SMPL parameters from its mesh."""
    torch.manual_seed(0)
    small = {"backbone": "small", "width": 64, "second_width": 32, "heads": 4, "input_px": 64}
    chosen = {**small, "smpl_parameters": True, "regressor_hidden": 32, **options}
    module, spec, complete = build_model("fastmetro", options=chosen, body_source="free")
    with torch.no_grad():
        module.cam_predictor.bias.copy_(torch.tensor([0.9, 0.0, 0.0]))
    body = load_body("smpl", source="free")
    info = CheckpointInfo(
        model=spec.name, options=complete, input_size=spec.input_size, body=body.describe()
    )
    return LoadedModel(
        module=module.eval(),
        spec=spec,
        options=complete,
        input_size=spec.input_size,
        body=body,
        info=info,
        sha256="",
        name="fastmetro",
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people") / "shards", COUNT)


@pytest.mark.parametrize(("multi_view", "tiles"), [(False, 2), (True, 7)])
def test_there_is_a_strip_for_each_and_one_of_all(
    multi_view: bool, tiles: int, shards: Path, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path)
    result = evaluate(model, shards, protocol(), batch=4)
    found = write_strips(
        tmp_path / "strips", model, shards, protocol(), result, multi_view=multi_view, count=1
    )
    assert list(found)[0] == "everybody" and len(found) == 4
    words = [caption.split()[0] for caption in list(found)[1:]]
    assert words == ["worst", "median", "best"]
    names = [path.name for path in found.values()]
    assert names[0] == "people.png" and names[1].startswith("01-worst-person-0")
    for path in list(found.values())[1:]:
        assert read_image(path).shape == (TILE_PX, tiles * TILE_PX, 3)
    everybody = read_image(found["everybody"])
    assert everybody.shape == (3 * (TILE_PX + 2) + 2, tiles * TILE_PX + 4, 3)


def test_a_model_with_a_regressor_of_parameters_shows_both_meshes(
    shards: Path, tmp_path: Path
) -> None:
    for parametric, tiles in ((False, 3), (True, 2)):
        model = fastmetro(parametric=parametric)
        result = evaluate(model, shards, protocol(), batch=4)
        found = write_strips(tmp_path / str(parametric), model, shards, protocol(), result, count=1)
        picture = read_image(list(found.values())[1])
        assert picture.shape == (TILE_PX, tiles * TILE_PX, 3)
        shown = np.split(picture.astype(int), tiles, axis=1)
        for tile in shown[1:]:
            assert (np.abs(tile - shown[0]).max(axis=2) > 5).sum() > 50


def test_whole_bodies_are_drawn_on_the_whole_picture_where_the_crop_had_them(
    tmp_path: Path,
) -> None:
    shards = write_people(tmp_path / "shards", 2, kind="smplx")
    answers = [parameters("smplx", seed, spread=0.0) for seed in range(2)]
    model = oracle_model("smplx", [*answers, answers[1], answers[0], answers[1]])
    result = evaluate(model, shards, protocol("smplx"), batch=4)
    found = write_strips(tmp_path / "out", model, shards, protocol("smplx"), result, count=1)
    whole = [path for caption, path in found.items() if caption.endswith("whole picture")]
    assert len(whole) >= 1
    first = next(caption for caption in found if caption.startswith("worst"))
    strip, picture = read_image(found[first]), read_image(whole[0])
    sample = next(s for s in EvalSet(shards) if s.key in first)
    stored = read_image(sample.image)
    assert picture.shape == stored.shape
    on_whole = np.abs(picture.astype(int) - stored).max(axis=2) > 12
    tiles = [half.astype(int) for half in np.split(strip, 2, axis=1)]
    on_crop = (np.abs(tiles[1] - tiles[0]).max(axis=2) > 12).astype(np.uint8)
    # the crop is 0.9 of the picture around its middle
    side = round(0.9 * stored.shape[1])
    back = cv2.resize(on_crop, (side, side), interpolation=cv2.INTER_AREA) > 0
    edge = (stored.shape[1] - side) // 2
    there = np.zeros_like(on_whole)
    there[edge : edge + side, edge : edge + side] = back
    overlap = (there & on_whole).sum() / (there | on_whole).sum()
    assert overlap > 0.8


def test_a_tile_shows_what_the_network_saw(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "shards", 1)
    sample = EvalSet(shards)[0]
    batch = prepared_batch([sample], OSX.window, "smpl24", OSX)
    height, width = OSX.window
    shown = shown_crop(sample, batch.affine[0].double().numpy(), OSX.window, width)
    assert shown.shape == (height, width, 3)
    seen = 255 * batch.image[0].permute(1, 2, 0).numpy()
    assert np.abs(shown - seen).mean() < 3


def test_figures_that_no_person_has_still_make_pictures(shards: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    model = tiny_model(tmp_path)
    result = replace(evaluate(model, shards, protocol(), batch=4), errors={})
    found = write_strips(tmp_path / "strips", model, shards, protocol(), result, count=2)
    assert list(found) == ["everybody", "person-0000", "person-0001"]
    assert found["person-0001"].name == "02-person-0001.png"
    assert write_gallery(tmp_path / "g.png", model, shards, protocol(), result, each=2).is_file()


def test_no_people_cannot_be_drawn(shards: Path, tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    result = evaluate(model, shards, protocol(), batch=4)
    with pytest.raises(UsageError, match="count=1"):
        write_strips(tmp_path / "strips", model, shards, protocol(), result, count=0)
