"""The people of a recipe are stored large enough for its window: a blurred crop trains another network."""

import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpscli.data.crops import MARGIN, compose, crop_affine, crop_box, invert, move_points
from hpscli.data.people import Layout, make_sample
from hpscli.nn.options import adapted, complete_options
from hpscli.recipe import Recipe, list_recipes, load_recipe
from hpscli.records import Person
from hpscli.registry import get_registry
from hpscli.train.recipes.network import spec_of

DRAWN = "synthetic"  # its people are drawn as large as their recipe asks


def window_px(recipe: Recipe) -> int:
    """-> the longer side of what the network sees."""
    spec = get_registry().model(recipe.model.name)
    options = complete_options(spec, recipe.model.preset, recipe.model.options)
    return max(recipe.data.image_size or adapted(spec, options).input_size)


@pytest.mark.parametrize("name", list_recipes())
def test_no_window_of_a_recipe_is_larger_than_the_stored_box(name: str) -> None:
    recipe = load_recipe(name)
    for member, people in recipe.data.mix.items():
        words = shlex.split(people.prepare)
        if words[:1] == [DRAWN]:
            continue
        asked = words[words.index("--size-px") + 1] if "--size-px" in words else ""
        stored_px = int(asked or Layout().side_px)
        assert window_px(recipe) <= stored_px / MARGIN, member


OF_OSX = [("osx/setting3_l", "human36m"), ("osx/setting2_l", "agora"), ("osx/setting3_l", "ubody")]


@pytest.mark.parametrize(("name", "member"), OF_OSX)
def test_a_stored_person_of_osx_is_never_enlarged_and_never_cut_short(
    name: str, member: str, tmp_path: Path
) -> None:
    """Her 3:4 box fills 384 x 512; turned by 60 degrees and enlarged by a quarter all of it is there."""
    recipe = load_recipe(name)
    words = shlex.split(recipe.data.mix[member].prepare)
    window = spec_of(recipe).input_size
    picture = np.random.default_rng(0).integers(0, 255, (3200, 3000, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.jpg"), picture)
    box = np.array([900.0, 800.0, 1200.0, 1600.0])
    layout = Layout(kind="crop", side_px=int(words[words.index("--size-px") + 1]))
    sample = make_sample(tmp_path, Person(key="a", image="a.jpg", arrays={}, box=box), layout)
    stored = sample.arrays["image.affine"].astype(np.float64)
    height, width = cv2.imdecode(np.frombuffer(sample.image, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    place = crop_box(sample, window)
    plain = compose(invert(stored), crop_affine(*place, window))
    assert abs(np.linalg.det(plain[:, :2])) ** 0.5 <= 1.001
    corners = np.array([[0.0, 0], [window[1], 0], [0, window[0]], [window[1], window[0]]])
    for turn in (0, 35, 60):
        changed = crop_affine(place[0], place[1] * 1.25, window, turn)
        reached = move_points(corners, compose(invert(changed), stored))
        assert reached.min() >= -1 and (reached <= [width, height]).all()
