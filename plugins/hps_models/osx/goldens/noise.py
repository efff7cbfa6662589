"""How near our network comes to the official one, beside how near that comes to itself in float64."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hps_models.osx.goldens.networks import replay_osx_b
from hpscli.errors import InvalidData
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, locate

TIMES = 4.0  # both runs round: ours was at most 2.1 times as far away
LEAST = (
    5e-6  # where the official gap is zero to the last digit: means and deviations of many numbers
)
FILE = "goldens/float32_noise_osx_b.json"


def replay_noise(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """float32_noise_osx_b.json: the official gap of each array is the measure of our difference."""
    gaps = json.loads(locate(folder, FILE).read_text(encoding="utf-8"))
    checks = {check.name: check for check in replay_osx_b(folder, options)}
    for name, gap in gaps.items():
        if name.startswith("_"):
            continue
        if name not in checks:
            raise InvalidData(f"{FILE} tells of '{name}', which net_osx_b.npz does not hold.")
        allowed, worst = max(TIMES * float(gap), LEAST), checks[name].worst
        note = f"official float32 - float64: {gap:.1e}"
        yield replace(
            checks[name], tolerance=allowed, unit="", ok=bool(worst <= allowed), note=note
        )
