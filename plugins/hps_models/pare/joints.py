"""3D joints of people whose labels have no hips of annotators, as PARE makes them for 3DPW.

Source: mkocabas/PARE, dataset/base_dataset.py: in training the 24 joints of a person of 3DPW are those
of the labelled SMPL of their gender, each with confidence 1.
"""

from functools import lru_cache

import torch
from torch import Tensor

from hpscli.body.files import have_asset
from hpscli.body.layer import Body, load_body
from hpscli.train.losses import Scene
from hpscli.train.losses.placing import labelled_bodies

GENDERS = ("male", "female")


def with_joints_of_bodies(scene: Scene, name: str, target: Tensor, rootless: Tensor) -> Tensor:
    """Joint set, target (B,J,4), people without a root (B,) bool -> theirs are their bodies' joints.

    Who has no SMPL keeps what there is.
    """
    told = [str(person.get("gender", "")) for person in scene.batch.meta] or [""] * len(target)
    for gender in sorted(set(told)):
        rows = rootless & torch.tensor([one == gender for one in told], device=rootless.device)
        if not bool(rows.any()):
            continue
        body = _body_of(scene.body, gender)
        found = labelled_bodies(scene.batch, body)
        if found is None:
            return target
        vertices, joints, labelled = found
        points = body.regress(vertices, name, joints=joints)
        points = torch.cat([points, torch.ones_like(points[..., :1])], dim=2)
        target = torch.where((rows & labelled)[:, None, None], points, target)
    return target


def _body_of(own: Body, gender: str) -> Body:
    """-> the body of a gender where it was imported, else the model's own."""
    if gender in GENDERS and own.source == "imported" and have_asset(f"{own.kind}-{gender}"):
        return _gendered(own.kind, gender, own.template.device)
    return own


@lru_cache(maxsize=4)
def _gendered(kind: str, gender: str, device: torch.device) -> Body:
    return load_body(kind, gender=gender, source="imported").to(device)
