"""Every model at every preset: its official crop exists and gives what its network takes."""

import numpy as np
import pytest

from hpscli.data.preparation import FAST, preparation
from hpscli.nn.options import adapted, complete_options
from hpscli.registry import get_registry

IMAGE = np.full((120, 160, 3), 128, np.uint8)
BOX = np.array([60.0, 20.0, 40.0, 80.0])
SPECS = {
    (spec.name, preset): adapted(spec, complete_options(spec, preset, {}))
    for spec in get_registry().all("model")
    for preset in ("", *spec.presets)
}
OFFICIAL = [which for which, spec in SPECS.items() if spec.crop != FAST]


@pytest.mark.parametrize(("name", "preset"), OFFICIAL, ids=lambda text: text or "plain")
def test_the_official_crop_of_a_model_fits_its_network(name: str, preset: str) -> None:
    spec = SPECS[name, preset]
    found = preparation(spec.crop)
    assert found is not None
    place = found.place(BOX, (120, 160), spec.input_size)
    crop = found.pixels(IMAGE, *place, window=spec.input_size)
    assert crop.shape == (3, *spec.input_size) and crop.dtype == np.float32
    assert (found.mean, found.std) == (tuple(spec.mean), tuple(spec.std))
    whole = found.whole or found
    place = whole.place(None, (120, 160), spec.input_size)
    assert whole.pixels(IMAGE, *place, window=spec.input_size).shape == crop.shape


def test_the_families_that_have_an_official_crop_name_it() -> None:
    named = {}
    for (name, _), spec in SPECS.items():
        found = preparation(spec.crop)
        named.setdefault(name, set()).add(FAST if found is None else found.name)
    assert "metro" in named["metro"] and "metro" in named["graphormer"]
    assert "metro" in named["fastmetro"] and "osx" in named["osx"] and "hmr2" in named["hmr2"]
    assert {"spin_scipy", "mmhuman3d"} <= named["hmr"] and named["pare"] - {"fast"}
