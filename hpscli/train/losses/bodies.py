"""3D joints of labelled bodies, for people whose member of the mix asks for them (joints3d = "body").

Source: mkocabas/PARE, dataset/base_dataset.py: in training the 3D joints of a person of 3DPW are those
of the labelled SMPL of their gender, each with confidence 1. ETH's course project does the same.
"""

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from hpscli.body.assets.files import have_asset
from hpscli.body.joints import joint_set
from hpscli.body.layer import Body, load_body
from hpscli.data.epochs.without import JOINTS_OF_BODY
from hpscli.records import Batch
from hpscli.train.losses.placing import labelled_bodies

GENDERS = ("male", "female")


def with_joints_of_bodies(batch: Batch, body: Body, joints: str) -> Batch:
    """Batch, the model's body, joint set of the supervision -> the batch with (J,4) joints of bodies.

    Who has no parameters of this body has no 3D joints either.
    """
    asked = [bool(person.get(JOINTS_OF_BODY)) for person in batch.meta]
    if not any(asked):
        return batch
    name, device = f"keypoints3d.{joints}", batch.image.device
    count = len(batch)
    target = batch.targets.get(name)
    present = batch.present.get(name)
    if target is None or present is None:
        target = torch.zeros(count, len(joint_set(joints)), 4, device=device)
        present = torch.zeros(count, dtype=torch.bool, device=device)
    told = [str(person.get("gender", "")) for person in batch.meta]
    for gender in sorted({one for one, wanted in zip(told, asked, strict=True) if wanted}):
        found = labelled_bodies(batch, whose := _body_of(body, gender))
        if found is None:
            return batch
        vertices, own, labelled = found
        with torch.no_grad():
            points = whose.regress(vertices, joints, joints=own)
        rows = [wanted and one == gender for one, wanted in zip(told, asked, strict=True)]
        theirs = labelled & torch.tensor(rows, device=device)
        target, present = _put(target, present, points, theirs)
    return replace(
        batch,
        targets={**batch.targets, name: target},
        present={**batch.present, name: present},
    )


def _put(target: Tensor, present: Tensor, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """target (B,J,4), present (B,), points (B,J,3), rows (B,) bool -> both with these rows' points."""
    sure = torch.cat([points, torch.ones_like(points[..., :1])], dim=2)
    return torch.where(rows[:, None, None], sure, target), present.bool() | rows


def _body_of(own: Body, gender: str) -> Body:
    """-> the body of a gender where it was imported, else the model's own."""
    if gender in GENDERS and own.source == "imported" and have_asset(f"{own.kind}-{gender}"):
        return _gendered(own.kind, gender, own.template.device)
    return own


@lru_cache(maxsize=4)
def _gendered(kind: str, gender: str, device: torch.device) -> Body:
    return load_body(kind, gender=gender, source="imported").to(device)
