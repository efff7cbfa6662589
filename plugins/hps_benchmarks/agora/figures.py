"""AGORA's figures: what each is called here, on the leaderboard, and what it means."""

from collections.abc import Mapping

from hps_benchmarks.agora.averages import official_order
from hpscli.metrics.rules import Figure

SHORT = {"body": "B", "fullbody": "FB", "face": "F", "lhand": "LH", "rhand": "RH"}
WORDS = {
    "body": "body, from the middle of the hips",
    "lhand": "left hand, from its wrist",
    "rhand": "right hand, from its wrist",
    "face": "face, from the neck",
    "fullbody": "body plus a third of left hand, right hand and face",
}
ERRORS = {
    "MPJPE": "mean distance of the joints of the {part}",
    "MVE": "mean distance of the vertices of the {part}",
    "NMJE": "the joint error of the {part}, divided by F1",
    "NMVE": "the vertex error of the {part}, divided by F1",
}
DETECTION = {
    "f1": "harmonic mean of precision and recall",
    "precision": "share of predictions that are somebody",
    "recall": "share of people who were found",
}
COLUMNS = ("NMVE", "NMJE", "MVE", "MPJPE")  # as the leaderboard has them
PARTS = ("fullbody", "body", "face", "lhand", "rhand")


def figure_name(official: str) -> str:
    """ "kid-body-MPJPE" -> "kid_body_mpjpe", "f1" -> "f1"."""
    return official.lower().replace("-", "_")


def figures(track: str) -> Mapping[str, Figure]:
    """-> every figure of a track by our names, in the order of the leaderboard, children last."""
    official = set(official_order(track))
    found: dict[str, Figure] = {}
    for start, whose in (("", ""), ("kid", "children: ")):
        if not start:
            found |= {name: _share(name.capitalize(), DETECTION[name]) for name in DETECTION}
        else:
            found |= {
                f"kid_{name}": _share(f"kid {name}", f"children: {meaning}")
                for name, meaning in DETECTION.items()
            }
        for column in COLUMNS:
            for part in PARTS:
                name = "-".join(filter(None, (start, part, column)))
                if name in official:
                    found[figure_name(name)] = Figure(
                        label=f"{start} {SHORT[part]}-{column}".strip(),
                        meaning=whose + ERRORS[column].format(part=WORDS[part]),
                    )
    return found


def _share(label: str, meaning: str) -> Figure:
    return Figure(label=label, meaning=meaning, unit="", smaller_is_better=False)
