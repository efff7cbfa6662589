"""Which vertices belong to body, hands and face: AGORA's lists, or the free body's own parts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.body.assets.files import read_asset
from hpscli.body.layer import Body

Indices = NDArray[np.int64]

FREE = "free"
# Joints whose vertices make a part of a free body: by the joint that moves them most.
HEAD = {"smpl": (12, 15), "smplx": (12, 15, 22, 23, 24)}
HANDS = {
    "smpl": {"lhand": (20, 22), "rhand": (21, 23)},
    "smplx": {"lhand": (20, *range(25, 40)), "rhand": (21, *range(40, 55))},
}


def part_vertices(body: Body) -> dict[str, Indices]:
    """-> the vertices of body and, for SMPL-X, of lhand, rhand and face; MissingError without files."""
    if body.source == FREE:
        return free_parts(body)
    found = {"body": _listed(f"agora-vertices-{body.kind}", "index")}
    if body.kind == "smplx":
        found |= {
            "lhand": _listed("hand-vertices-smplx", "left"),
            "rhand": _listed("hand-vertices-smplx", "right"),
            "face": _listed("face-vertices-smplx", "index"),
        }
    return found


def _listed(asset: str, name: str) -> Indices:
    return np.asarray(read_asset(asset)[0][name], np.int64)


def free_parts(body: Body) -> dict[str, Indices]:
    """-> the parts of a body without lists: the vertices that the joints of a part move most."""
    weights: Any = body.get_buffer("weights")
    strongest = weights.argmax(dim=1).cpu().numpy()
    hands: Mapping[str, tuple[int, ...]] = HANDS[body.kind]
    apart = {name: np.flatnonzero(np.isin(strongest, joints)) for name, joints in hands.items()}
    face = np.flatnonzero(np.isin(strongest, HEAD[body.kind]))
    rest = np.setdiff1d(np.arange(len(strongest)), np.concatenate([face, *apart.values()]))
    return {"body": rest} if body.kind == "smpl" else {"body": rest, **apart, "face": face}
