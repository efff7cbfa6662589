"""goldens/floors.json: how far the official float32 outputs are from float64, beside how far ours are."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.testing.goldens import ArrayCheck, compare

FILE = "goldens/floors.json"  # {golden: {output: [gap, standard deviation, change between images]}}
TIMES = 8.0  # both runs round, and sums of HRNet's maps depend on their order
LEAST = 5e-6
SPREAD = 1e-4  # of a standard deviation, relative
CHANGE = 1e-4  # of the change, which is a share of that deviation


def floors(folder: Path, name: str) -> Mapping[str, Any]:
    """-> what floors.json says about a golden; nothing where it does not lie beside it."""
    path = next((p for p in (folder / FILE, folder / Path(FILE).name) if p.is_file()), None)
    if path is None:
        return {}
    told = json.loads(path.read_text(encoding="utf-8"))
    return dict(told.get(f"FastMETRO-{name}", {}))


def compare_floors(
    told: Mapping[str, Any], tag: str, raw: Mapping[str, Any], golden: Mapping[str, Any]
) -> Iterator[ArrayCheck]:
    """Outputs for two images -> distance beside the official gap, spread, change between the images.

    Nothing where the golden was made with other images or weights than the floors.
    """
    own = [golden[key].std(ddof=1) / told[key][1] for key in told if key in golden]
    if not np.allclose(own, 1, atol=SPREAD):
        return
    for key, (gap, spread, change) in told.items():
        name = key.removeprefix(f"{tag}__")
        if name == key or name not in raw:
            continue
        ours = np.asarray(raw[name].numpy(), np.float64)
        if key in golden:
            allowed = max(TIMES * float(gap), LEAST)
            yield compare(f"{key}, beside rounding", ours, golden[key], allowed)
        yield compare(f"{key}, spread", ours.std(ddof=1), spread, SPREAD, "relative")
        between = (ours[0] - ours[1]).std(ddof=1) / ours.std(ddof=1)
        yield compare(f"{key}, between images", between, change, CHANGE)
