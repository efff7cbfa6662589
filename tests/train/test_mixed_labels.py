"""Batches of people with different labels: every term learns from those who have its label, no others."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hpscli.body.joints import joint_set
from hpscli.body.layer import PARAMETERS, Body, load_body
from hpscli.data.labels import labels_of
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model
from hpscli.records import Batch, Prediction, Sample
from hpscli.registry import resolve
from hpscli.train.telling.active import PICTURES, predict_once

WHOLE, ONLY_3D, ONLY_2D, NOTHING = range(4)  # rows of the batch
NEEDS_2D = ("2d", "joint_proj", "joint_img", "bbox")
NEEDS_3D = ("3d", "joint_cam")
FREE = ("camera",)  # priors, which need no label
# model, options: the joint set that its authors train on, sets of the labels in 3D and in 2D
CASES: dict[str, tuple[str, str, dict[str, Any], str, str, str]] = {
    "hmr standard": ("hmr", "tiny", {}, "h36m17", "h36m17", "coco17"),
    "hmr spin": ("hmr", "tiny", {"losses": "spin"}, "smpl49", "h36m17", "coco17"),
    "hmr mmhuman3d": ("hmr", "tiny", {"losses": "mmhuman3d"}, "smpl54", "h36m17", "coco17"),
    "hmr l1": ("hmr", "tiny", {"losses": "mmhuman3d-l1"}, "smpl54", "muco21", "mpii16"),
    "hmr mse": ("hmr", "tiny", {"losses": "mmhuman3d-mse"}, "smpl54", "mpi_inf_3dhp28", "lsp14"),
    "hmr2": ("hmr2", "tiny", {}, "hmr2_44", "h36m17", "coco17"),
    "pare": ("pare", "tiny", {}, "smpl49", "h36m17", "coco17"),
    "metro": ("metro", "tiny", {}, "metro24", "muco21", "coco17"),
    "graphormer": ("graphormer", "tiny", {}, "metro24", "h36m17", "mpii16"),
    "fastmetro": ("fastmetro", "tiny", {"smpl_parameters": True}, "metro24", "h36m17", "coco17"),
    "osx": ("osx", "tiny", {}, "osx_smplx137", "osx_h36m17", "osx_mscoco134"),
}
TERMS = {
    "hmr": ("keypoints3d", "keypoints2d", "pose", "betas", "vertices"),
    "hmr2": ("keypoints3d", "keypoints2d", "global_orient", "body_pose", "betas"),
    "pare": ("keypoints3d", "keypoints2d", "pose", "betas", "vertices", "camera", "parts"),
    "metro": (
        *("token_joints3d", "mesh_joints3d", "vertices_coarse", "vertices_middle"),
        *("vertices_fine", "token_joints2d", "mesh_joints2d"),
    ),
    "osx": (
        *("smplx_pose", "smplx_shape", "smplx_expr", "joint_cam", "smplx_joint_cam"),
        *("lhand_bbox", "rhand_bbox", "face_bbox", "joint_proj", "joint_img", "joint_img_face"),
    ),
}
TERMS["graphormer"] = TERMS["metro"]
TERMS["fastmetro"] = (
    *TERMS["metro"],
    *("edges", "edge_lengths", "normals", "smpl_pose", "smpl_betas", "smpl_joints3d"),
    *("smpl_joints2d", "smpl_vertices"),
)


@cache
def predicted(case: str) -> tuple[Prediction, ModelSpec, Body]:
    name, preset, options, *_ = CASES[case]
    torch.manual_seed(0)
    module, spec, complete = build_model(name, preset=preset, options=options, body_source="free")
    size: tuple[int, int] = spec.input_size
    return predict_once(module, size), spec, load_body(spec.body, source="free")


def points(joints: str, columns: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    values = 0.5 * draw.standard_normal((len(joint_set(joints)), columns))
    return np.concatenate([values, np.ones((len(values), 1))], axis=1).astype(np.float32)


def people(case: str, kind: str) -> Batch:
    *_, joints, deep, flat = CASES[case]
    draw = np.random.default_rng(3)
    widths = {name: 3 * count for name, count in PARAMETERS[kind].items()}
    widths |= {"betas": 10} | ({"expression": 10} if kind == "smplx" else {})
    body = {
        f"{kind}.{name}": 0.2 * draw.standard_normal(width).astype(np.float32)
        for name, width in widths.items()
    }
    two, three = (
        {f"keypoints2d.{flat}": points(flat, 2, 1)},
        {f"keypoints3d.{deep}": points(deep, 3, 2)},
    )
    rows: list[dict[str, Any]] = [{**body, **two, **three}, three, two, {}]
    samples = [Sample(key=str(n), image=b"", arrays=arrays) for n, arrays in enumerate(rows)]
    targets, present = labels_of(samples, joints)
    height, width = predicted(case)[1].input_size
    return Batch(
        keys=tuple(sample.key for sample in samples),
        image=torch.zeros(len(samples), 3, height, width),
        targets=targets,
        present=present,
        affine=torch.zeros(len(samples), 2, 3),
        flipped=torch.zeros(len(samples), dtype=torch.bool),
        meta=tuple({} for _ in samples),
    )


def touched(case: str) -> dict[str, set[int]]:
    """-> {term: rows whose prediction it moves}."""
    prediction, spec, body = predicted(case)
    batch = people(case, spec.body)
    leaves = {
        name: value[torch.arange(len(batch)) % PICTURES].clone().requires_grad_()
        for name, value in prediction.named_tensors().items()
        if value.is_floating_point()
    }
    names = TERMS[CASES[case][0]]
    losses = resolve(spec.losses)(Prediction.from_named_tensors(leaves), batch, body, list(names))
    assert all(bool(torch.isfinite(value)) for value in losses.values())
    return {name: rows_of(losses[name], list(leaves.values())) for name in names}


def rows_of(term: Tensor, leaves: list[Tensor]) -> set[int]:
    found = torch.autograd.grad(term, leaves, retain_graph=True, allow_unused=True)
    gradients = [value for value in found if value is not None]
    assert gradients, "a term without labels must keep a gradient path"
    assert all(bool(torch.isfinite(value).all()) for value in gradients)
    moved = torch.stack([(value != 0).flatten(1).any(dim=1) for value in gradients]).any(dim=0)
    return set(moved.nonzero().flatten().tolist())


def wanted(term: str) -> set[int]:
    if term in FREE:
        return {WHOLE, ONLY_3D, ONLY_2D, NOTHING}
    if term.startswith("smplx_joint") or not any(word in term for word in (*NEEDS_2D, *NEEDS_3D)):
        return {WHOLE}
    return {WHOLE, ONLY_2D} if any(word in term for word in NEEDS_2D) else {WHOLE, ONLY_3D}


@pytest.mark.parametrize("case", CASES)
def test_every_term_learns_from_those_who_have_its_label_and_no_others(case: str) -> None:
    found = touched(case)
    assert found == {term: wanted(term) for term in found}


@pytest.mark.parametrize(
    ("published", "least"),
    [
        ("smpl54", {"h36m17": 17, "coco17": 17, "mpii16": 16, "lsp14": 14, "muco21": 17}),
        ("smpl49", {"h36m17": 17, "coco17": 17, "openpose25": 25, "mpi_inf_3dhp28": 17}),
        ("metro24", {"h36m17": 17, "coco17": 17, "mpii16": 16, "muco21": 17}),
        ("hmr2_44", {"openpose25": 25, "h36m17": 17, "aic14": 14}),
        ("osx_smplx137", {"osx_mscoco134": 132, "osx_h36m17": 14, "osx_mpii16": 14}),
    ],
)
def test_labels_of_the_published_members_reach_the_published_joint_set(
    published: str, least: dict[str, int]
) -> None:
    for member, count in least.items():
        sample = Sample(key="a", image=b"", arrays={f"keypoints2d.{member}": points(member, 2, 0)})
        targets, present = labels_of([sample], published)
        assert bool(present[f"keypoints2d.{published}"][0])
        assert int((targets[f"keypoints2d.{published}"][0, :, 2] > 0).sum()) >= count, member


@pytest.mark.parametrize("joints", ["smpl54", "smpl49", "metro24", "hmr2_44", "lsp14", "h36m17"])
def test_free_bodies_give_the_published_joint_sets(joints: str) -> None:
    body = load_body("smpl", source="free")
    assert body.regress(body.template[None], joints).shape == (1, len(joint_set(joints)), 3)
