"""The losses on fixed predictions, one clipped step of the optimiser, and the validation."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.fastmetro.goldens import surrogate
from hps_models.fastmetro.losses import fastmetro_losses
from hpscli.body.kit import BodyKit
from hpscli.nn.mesh.labels import mesh_labels
from hpscli.nn.mesh.losses import labelled_mean
from hpscli.nn.mesh.space import MeshSpace, mesh_space
from hpscli.nn.mesh.surface import edge_lengths, face_edges, slant
from hpscli.nn.mesh.target import mesh_levels, template_joints
from hpscli.nn.mesh.weightings import FASTMETRO
from hpscli.records import Prediction
from hpscli.run.hands.freihand import freihand_points
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden
from hpscli.testing.mesh_goldens import gradients, label_batch, prediction_of

RELATIVE = 1e-4  # SPEC 8.3: single terms, totals, gradient norms
HAND_NORMAL = 2e-3  # 8.3: some surrogate faces have no direction
METRES = 1e-4  # as network outputs
LEVELS = ("coarse", "intermediate", "fine")
OFFICIAL = {  # their name of a term -> ours
    "kp3d_token": "token_joints3d",
    "kp3d_mesh": "mesh_joints3d",
    "kp2d_token": "token_joints2d",
    "kp2d_mesh": "mesh_joints2d",
    "vert_coarse": "vertices_coarse",
    "vert_intermediate": "vertices_middle",
    "vert_fine": "vertices_fine",
    "edge_gt": "edges",
    "edge_self": "edge_lengths",
    "normal": "normals",
    "smpl_kp3d": "smpl_joints3d",
    "smpl_kp2d": "smpl_joints2d",
    "smpl_vert": "smpl_vertices",
}
WEIGHTINGS = {  # run of the golden -> how its terms were weighed
    "nonparam": "body",
    "no_labels": "body",
    "smpl_h36m": "body-smpl-h36m",
    "smpl_3dpw": "body-smpl-3dpw",
    "hand": "hand",
}
GROUPS = {  # of what the official loop logs: our terms, and what they are divided by
    "log_3d_joints": (("token_joints3d", "mesh_joints3d"), 1000.0),
    "log_3d_vertices": (("vertices_coarse", "vertices_middle", "vertices_fine"), 100.0),
    "log_edge_normal": (("edges", "edge_lengths", "normals"), 100.0),
    "log_2d_joints": (("token_joints2d", "mesh_joints2d"), 100.0),
}
RATE, DECAY, CLIP = 1e-4, 1e-4, 0.3  # SPEC 4.1
STEP_PART = 0.1 * RATE  # SPEC 8.3: single entries of deltas 1e-1; a first step is about RATE
PARAMETERS = ("pred_rotmat", "pred_betas")


def replay_body(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/loss_body.npz: four runs of the official loop over two batches."""
    kit = surrogate("smpl", folder, options)
    golden = read_golden(folder, "goldens/loss_body.npz")
    yield from _runs(golden, kit)
    yield from _body_labels(golden, kit)


def replay_hand(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/loss_hand.npz: the same of hands, their labels, and the file of predictions."""
    kit = surrogate("mano", folder, options)
    golden = read_golden(folder, "goldens/loss_hand.npz")
    yield from _runs(golden, kit)
    yield from _hand_labels(golden, kit)
    yield from _whole_faces(golden, kit)
    yield from _predictions_file(golden, kit)


def _inputs(golden: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """-> {"A": {"pose": ..., "pred_cam": ...}, ...} in their order."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in golden.items():
        if key.startswith("in__"):
            batch, name = key.removeprefix("in__").split("__")
            found.setdefault(batch, {})[name] = value
    return dict(sorted(found.items()))


def _runs(golden: Mapping[str, Any], kit: BodyKit) -> Iterator[ArrayCheck]:
    for run in WEIGHTINGS:
        for step in range(len(_inputs(golden))):
            prefix = f"{run}__step{step}__"
            if not any(key.startswith(prefix) for key in golden):
                continue
            with gradients():
                checks = list(_step(golden, run, step, kit))
            yield from checks


def given(golden: Mapping[str, Any], run: str, step: int) -> dict[str, Any]:
    """-> labels and predictions of a step, under their official names."""
    arrays = list(_inputs(golden).values())[step]
    if run == "no_labels" and step == 0:  # SPEC 8.2: only the first batch
        nobody = np.zeros_like(arrays["has_smpl"])
        arrays |= {"has_smpl": nobody, "has_3d_joints": nobody}
    return arrays


def stated(arrays: Mapping[str, Any], run: str) -> dict[str, Any]:
    """-> the predictions among them that a run has: parameters only where it learns them."""
    return {
        name: value
        for name, value in arrays.items()
        if name.startswith("pred_") and ("smpl" in WEIGHTINGS[run] or name not in PARAMETERS)
    }


def _step(golden: Mapping[str, Any], run: str, step: int, kit: BodyKit) -> Iterator[ArrayCheck]:
    """One batch: every term, the total, its gradients, and the predictions after one step."""
    prefix, after = f"{run}__step{step}__", f"{run}__after_training__batch{step}__"
    arrays, weights = given(golden, run, step), FASTMETRO[WEIGHTINGS[run]]
    leaves = {
        name: torch.from_numpy(value).clone().requires_grad_()
        for name, value in stated(arrays, run).items()
    }
    terms = fastmetro_losses(predicted(leaves), label_batch(arrays, kit), kit, list(weights))
    total = torch.stack([terms[name] * weight for name, weight in weights.items()]).sum()
    total.backward()  # type: ignore[no-untyped-call]
    for name, value in named(terms).items():
        if prefix + name in golden:
            loose = name == "normal" and kit.kind == "mano"
            yield _relative(golden, prefix + name, value, HAND_NORMAL if loose else RELATIVE)
    for name in ("total", "log_total"):
        if prefix + name in golden:
            yield _relative(golden, prefix + name, total)
    for name, leaf in leaves.items():
        if f"{prefix}gradL2__{name}" in golden:
            norm = leaf.grad.norm() if leaf.grad is not None else torch.zeros(())
            yield _relative(golden, f"{prefix}gradL2__{name}", norm)
    optimizer = torch.optim.AdamW(leaves.values(), lr=RATE, weight_decay=DECAY)
    norm = torch.nn.utils.clip_grad_norm_(leaves.values(), CLIP)
    yield _relative(golden, f"{prefix}grad_norm_before_clip", norm)
    optimizer.step()
    for name, leaf in leaves.items():
        key = f"{after}{name}__first8"
        if key in golden:
            yield compare(key, leaf.reshape(-1)[:8], golden[key], STEP_PART)


def named(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our terms -> everything under official names that is made of them, besides the total."""
    found = {theirs: terms[ours] for theirs, ours in OFFICIAL.items() if ours in terms}
    if "smpl_pose" in terms:
        found["smpl_param"] = terms["smpl_pose"] + 0.1 * terms["smpl_betas"]
    weights = FASTMETRO["body" if "vertices_middle" in terms else "hand"]
    for group, (members, scale) in GROUPS.items():
        parts = [terms[name] * weights[name] for name in members if name in terms]
        found[group] = torch.stack(parts).sum() / scale
    return found


def predicted(named: Mapping[str, Tensor]) -> Prediction:
    """Tensors under official names -> the record that our losses take."""
    rotations = named.get("pred_rotmat")
    parameters = {}
    if rotations is not None:
        parameters = {
            "global_orient": rotations[:, 0],
            "body_pose": rotations[:, 1:],
            "betas": named["pred_betas"],
        }
    levels = tuple(
        named[f"pred_3d_vertices_{level}"]
        for level in LEVELS
        if f"pred_3d_vertices_{level}" in named
    )
    return prediction_of(named["pred_cam"], named["pred_3d_joints"], levels, parameters)


def _body_labels(golden: Mapping[str, Any], kit: BodyKit) -> Iterator[ArrayCheck]:
    vertices, joints, space = _posed(golden, kit)
    for key, value in (
        ("gt__A__smpl_vertices__every53", vertices.reshape(-1)[::53]),
        ("gt__A__h36m_joints17", joints),
        ("gt__A__joints24_get_joints", space.body.regress(vertices, "metro24")),
    ):
        yield compare(key, value, golden[key], METRES, "m")


def _hand_labels(golden: Mapping[str, Any], kit: BodyKit) -> Iterator[ArrayCheck]:
    vertices, joints, space = _posed(golden, kit)
    for key, value, tolerance, unit in (
        ("gt__A__mano_vertices_mm", 1000 * vertices, 1000 * METRES, "mm"),
        ("gt__A__mano_joints21_mm", 1000 * joints, 1000 * METRES, "mm"),
        ("gt__A__joints21_regressed_from_mesh_m", space.joints(vertices), METRES, "m"),
        ("gt__A__mano_coarse_m", mesh_levels(space.hierarchy, vertices)[0], METRES, "m"),
    ):
        yield compare(key, value, golden[key], tolerance, unit)


def _posed(golden: Mapping[str, Any], kit: BodyKit) -> tuple[Tensor, Tensor, MeshSpace]:
    """-> vertices and joints (B,J,3) of the labels of batch A, where the body layer puts them."""
    space = mesh_space(kit)
    labels = mesh_labels(label_batch(_inputs(golden)["A"], kit), space)
    rest = "hand_pose" if kit.kind == "mano" else "body_pose"
    parameters = {
        "global_orient": labels.pose[:, 0],
        rest: labels.pose[:, 1:],
        "betas": labels.betas,
    }
    with torch.no_grad():
        posed = space.body(parameters)
        joints = template_joints(space.target, space.body, posed.vertices, posed.joints)
    return posed.vertices, joints, space


def _predictions_file(golden: Mapping[str, Any], kit: BodyKit) -> Iterator[ArrayCheck]:
    """What is written for FreiHAND: joints out of the mesh, both from its own wrist."""
    space = mesh_space(kit)
    vertices = torch.from_numpy(_inputs(golden)["A"]["pred_3d_vertices_fine"])
    joints, vertices = freihand_points(space.joints(vertices), vertices)
    for name, value in (("joints", joints), ("vertices", vertices)):
        key = f"pred_json__{name}_xyz"
        yield compare(key, value, golden[key], METRES, "m")


def _whole_faces(golden: Mapping[str, Any], kit: BodyKit) -> Iterator[ArrayCheck]:
    """Edges and normals on those faces of the surrogate hand that have three corners."""
    arrays, space = _inputs(golden)["A"], mesh_space(kit)
    labels = mesh_labels(label_batch(arrays, kit), space)
    corners = space.faces
    whole = torch.tensor([len(set(face)) == 3 for face in corners.tolist()])
    count = int((~whole).sum())
    yield compare("faces_degenerate_count", count, golden["faces_degenerate_count"], 0)
    fine = torch.from_numpy(arrays["pred_3d_vertices_fine"])
    predicted = fine - space.root(space.joints(fine))
    wanted, faces = labels.levels[-1], corners[whole]
    edges = face_edges(faces)
    lengths = edge_lengths(predicted, edges) - edge_lengths(wanted, edges)
    for key, values in (
        ("hand_A__normal_nondegenerate_faces", slant(predicted, wanted, faces)),
        ("hand_A__edge_gt_nondegenerate_faces", lengths.abs()),
    ):
        yield _relative(golden, key, labelled_mean(values, labels.has_mesh))


def _relative(
    golden: Mapping[str, Any], key: str, value: Any, tolerance: float = RELATIVE
) -> ArrayCheck:
    return compare(key, value, golden[key], tolerance, "relative")
