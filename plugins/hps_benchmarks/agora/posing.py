"""Predicted parameters as AGORA's server poses them: which body, how many betas, which mean hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpscli.body.layer import Body, load_body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import InvalidData

Floats = NDArray[np.float32]
Bodies = Callable[[str, str], Body]  # gender, age -> body

JOINTS = {"smpl": "smpl24", "smplx": "agora127"}
HANDS = ("left_hand_pose", "right_hand_pose")
PARAMETER, FROM_MEAN = "parameters.", "from_mean."  # beginnings of names of arrays
COUNT_OF_BETAS, KID_BETAS = 10, 11


def bodies_like(body: Body) -> Bodies:
    """-> bodies of other genders and ages from the same source; each is loaded once."""
    kept = {(body.gender, "adult"): body}

    def find(gender: str, age: str) -> Body:
        if (gender, age) not in kept:
            found = load_body(body.kind, gender=gender, age=age, source=body.source)
            kept[gender, age] = found.to(body.template.device)
        return kept[gender, age]

    return find


def body_of(track: str, meta: Mapping[str, Any]) -> tuple[str, str]:
    """What a prediction says about itself -> gender and age of the body that poses it."""
    kid, gender = bool(meta.get("kid")), str(meta.get("gender") or "neutral")
    if track == "smpl" or (kid and gender != "male"):
        gender = "neutral"
    return gender, "kid" if kid else "adult"


def pose_people(
    track: str,
    arrays: Mapping[str, NDArray[Any]],
    meta: Sequence[Mapping[str, Any]],
    bodies: Bodies,
    *,
    joint_set: str = "",
) -> tuple[Floats, Floats]:
    """Parameters of N people -> joints (N,24|127,3) and vertices (N,V,3), metres.

    Rotations are matrices, hands relative to the flat hand; `from_mean.*` (N,45) are axis-angles
    relative to the body's mean hand, NaN for who has matrices. Betas are filled up with zeros:
    how many are meant says meta's num_betas.
    """
    groups: dict[tuple[str, str, int], list[int]] = {}
    for row, entry in enumerate(meta):
        gender, age = body_of(track, entry)
        count = KID_BETAS if age == "kid" else int(entry.get("num_betas") or COUNT_OF_BETAS)
        groups.setdefault((gender, age, count), []).append(row)
    joints: list[Floats] = [np.empty(0, np.float32)] * len(meta)
    vertices = list(joints)
    for (gender, age, count), rows in groups.items():
        body = bodies(gender, age)
        parameters = _parameters(arrays, rows, body, count)
        with torch.no_grad():
            mesh, own = body(parameters)
            points = body.regress(mesh, joint_set or JOINTS[track], joints=own)
        for row, person, found in zip(rows, mesh.cpu().numpy(), points.cpu().numpy(), strict=True):
            joints[row], vertices[row] = found, person
    return np.stack(joints), np.stack(vertices)


def _parameters(
    arrays: Mapping[str, NDArray[Any]], rows: Sequence[int], body: Body, betas: int
) -> dict[str, Tensor]:
    """-> the parameters of some people as their body takes them."""
    device = body.template.device
    found = {}
    for name, values in arrays.items():
        if name.startswith(PARAMETER):
            values = values[:, :betas] if name == f"{PARAMETER}betas" else values
            chosen = np.asarray(values[rows], np.float32)
            found[name.removeprefix(PARAMETER)] = torch.from_numpy(chosen).to(device)
    for name in HANDS:
        if f"{FROM_MEAN}{name}" in arrays:
            given = np.asarray(arrays[f"{FROM_MEAN}{name}"][rows], np.float32)
            known = torch.from_numpy(np.isfinite(given).all(axis=1)).to(device)
            mean = torch.from_numpy(mean_hand(body, name)).to(device)
            pose = torch.from_numpy(np.nan_to_num(given)).to(device) + mean
            turned = axis_angle_to_matrix(pose.reshape(len(rows), -1, 3))
            matrices = found.get(name, torch.zeros_like(turned))
            found[name] = torch.where(known[:, None, None, None], turned, matrices)
    return found


def mean_hand(body: Body, name: str) -> Floats:
    """-> (45,) axis-angle of the mean hand that a file's hands are relative to."""
    key = f"hands_mean{name[0]}"
    if key not in body.hand_means:
        raise InvalidData(
            f"this {body.kind} body has no mean hand, which hands of AGORA's files start from.",
            "Import SMPL-X with its hands: hps assets import models_smplx_v1_1.zip",
        )
    return np.asarray(body.hand_means[key], np.float32).reshape(-1)
