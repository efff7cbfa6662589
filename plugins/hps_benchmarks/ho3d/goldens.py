"""What HO-3D's program returned, against ours."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hps_benchmarks.ho3d.score import PROGRAM
from hpscli.metrics.hands.alignment import scale_translation
from hpscli.metrics.hands.scores import Hands, measure_hands, scores_text, set_scores
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden

METRES = 1e-9  # float64 official code on float32 inputs, metrics/SPEC.md 12
PRINTED = 1.01e-6  # of numbers with six decimals, where rounding may go either way


def replay(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """ho3d_8: eight hands, one of them all zero."""
    golden = read_golden(folder, "goldens/ho3d_8.npz")
    prediction, truth = (
        Hands(
            joints=np.asarray(golden[f"{side}_xyz"], np.float64),
            vertices=np.asarray(golden[f"{side}_verts"], np.float64),
        )
        for side in ("pred", "gt")
    )
    moved = scale_translation(prediction.joints, truth.joints)
    stored = golden["xyz_scale_trans_aligned"]
    yield compare("xyz_scale_trans_aligned", moved, stored, METRES, "m")
    scores = set_scores(measure_hands(prediction, truth, PROGRAM), PROGRAM)
    document = json.loads(locate(folder, "goldens/ho3d_8.json").read_text(encoding="utf-8"))
    lines = [line.split(": ") for line in str(document["scores_txt"]).splitlines()]
    names = [name for name, _ in lines]
    found = [line.split(": ")[0] for line in scores_text(scores).splitlines()]
    note = "" if found == names else f"lines {found}, stored {names}"
    yield compare("scores_txt, lines", float(found == names), 1.0, 0.0, note=note)
    for name, value in lines:
        yield compare(f"scores_txt/{name}", scores.get(name, np.nan), float(value), PRINTED)
