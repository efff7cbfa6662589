"""Measures the finished files: counts, symmetry, behaviour under many poses, levels, hands, face."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import MissingError
from tools.free_body import numbering, poses
from tools.free_body.surfaces import border_edges, edges_of, euler

Array = NDArray[Any]
Files = dict[str, dict[str, Array]]

NAMES = ("free_smpl", "free_mano", "free_smplx", "hierarchy_smpl", "hierarchy_mano", "free_poses")
BUILD_FIGURES = "build_figures.json"
SKIN = 9383
BETA_SEED = 7
BENDS_DEGREES = (45, 90, 120, 150)


def read_files(folder: Path) -> Files:
    """-> the arrays of every file of the free bodies that is in the folder."""
    found: Files = {}
    for name in NAMES:
        path = folder / f"{name}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as archive:
                found[name] = {key: archive[key] for key in archive.files}
    if not found:
        raise MissingError(
            f"no free body file in {folder}.", f"Expected: {', '.join(NAMES)} (.npz)"
        )
    return found


def build_figures(folder: Path) -> dict[str, float]:
    """-> the figures that only the build knew, or nothing for a folder it did not make."""
    path = folder / BUILD_FIGURES
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def measure(files: Files, pose_set: Array | None) -> dict[str, float]:
    """files, poses (N,24,3) or None -> named figures; lengths in mm unless the name says m."""
    found: dict[str, float] = {}
    if "free_smpl" in files:
        found.update(_body(files["free_smpl"]))
        found.update(_bends(files["free_smpl"]))
        if pose_set is not None:
            found.update(_posed(files["free_smpl"], pose_set))
    if "free_mano" in files:
        found.update(_hand(files["free_mano"]))
    if "free_smplx" in files:
        found.update(_whole_body(files["free_smplx"], files.get("free_smpl")))
    for kind, levels in (("smpl", 2), ("mano", 1)):
        body, mesh = files.get(f"free_{kind}"), files.get(f"hierarchy_{kind}")
        if body is not None and mesh is not None:
            found.update(_levels(kind, body["v_template"].astype(float), mesh, levels))
    if "free_poses" in files and "free_smpl" in files:
        found.update(_poses(files["free_poses"], files["free_smpl"]))
    return found


def volume(vertices: Array, faces: Array) -> float:
    """closed mesh (V,3), (F,3) -> cubic metres."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def lengths(vertices: Array, edges: Array) -> Array:
    """-> (E,) metres."""
    return np.asarray(np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1))


def posed_mesh(body: dict[str, Array], rest: Array, pose: Array) -> Array:
    """rest (V,3), pose (J,3) -> (V,3) by linear blend skinning; no pose correctives, they are zero."""
    joints = body["J_regressor"].astype(float) @ rest
    parents = body["kintree_table"][0]
    world, at = poses.forward_kinematics(pose[None], joints, parents)
    offset = at[0] - np.einsum("jab,jb->ja", world[0], joints)
    motion = body["weights"].astype(float) @ np.concatenate([world[0].reshape(-1, 9), offset], 1)
    turned = np.einsum("vab,vb->va", motion[:, :9].reshape(-1, 3, 3), rest)
    return np.asarray(turned + motion[:, 9:])


def _asymmetry(points: Array, mirror: Array) -> float:
    """points (V,3,...) -> the largest distance from the mirror image."""
    sign = np.array([-1.0, 1, 1]).reshape(1, 3, *[1] * (points.ndim - 2))
    return float(np.abs(points[mirror] * sign - points).max())


def _body(body: dict[str, Array]) -> dict[str, float]:
    vertices, faces = body["v_template"].astype(float), body["f"].astype(int)
    directions, mirror = body["shapedirs"].astype(float), body["mirror_vertices"]
    regressor, weights = body["J_regressor"].astype(float), body["weights"].astype(float)
    joints = regressor @ vertices
    sides = np.stack([lengths(vertices, faces[:, [i, (i + 1) % 3]]) for i in range(3)])
    corner = vertices[faces]
    twice = np.linalg.norm(
        np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1
    )
    betas = np.random.default_rng(BETA_SEED).normal(size=(500, 10))
    stature = [np.ptp(vertices[:, 1] + directions[:, 1] @ beta) for beta in betas]
    pose = np.random.default_rng(BETA_SEED).normal(0, 0.3, (24, 3))
    other = pose[body["mirror_joints"]] * [1.0, -1, -1]
    gap = posed_mesh(body, vertices, pose)[mirror] * [-1.0, 1, 1] - posed_mesh(
        body, vertices, other
    )
    explained = body["explained_variance_ratio"]
    members = np.bincount(body["vertex_part"], minlength=24)
    return {
        "body vertices": len(vertices),
        "body faces": len(faces),
        "body Euler characteristic": euler(faces),
        "body border edges": len(border_edges(faces)),
        "body asymmetry": 1000 * _asymmetry(vertices, mirror),
        "shape asymmetry": 1000 * _asymmetry(directions, mirror),
        # About the pelvis, which a mirrored root rotation turns the other way.
        "posed asymmetry": 1000 * float(np.abs(gap).max()),
        "stature mean m": float(np.ptp(vertices[:, 1])),
        "stature sd m": float(np.std(stature)),
        "kid stature m": float(np.ptp(body["kid_template"][:, 1])),
        "bounding box width m": float(np.ptp(vertices[:, 0])),
        "bounding box depth m": float(np.ptp(vertices[:, 2])),
        "lowest point m": float(vertices[:, 1].min()),
        "volume l": 1000 * volume(vertices, faces),
        "explained by 1": float(explained[0]),
        "explained by 10": float(explained.sum()),
        "shortest edge": 1000 * float(sides.min()),
        "longest edge": 1000 * float(sides.max()),
        "worst triangle": float((twice / sides.max(0) ** 2).min()),
        "head vertices": int(members[15]),
        "hand and wrist vertices": int(members[20:24].sum()),
        "foot vertices": int(members[[7, 8, 10, 11]].sum()),
        "most influences": int((weights > 0).sum(1).max()),
        "mean influences": float((weights > 0).sum(1).mean()),
        "weight rows off 1": float(np.abs(weights.sum(1) - 1).max()),
        "regressor rows off 1": float(np.abs(regressor.sum(1) - 1).max()),
        "most vertices per joint": int((regressor > 0).sum(1).max()),
        "pelvis height m": float(joints[0, 1]),
        "hip width m": float(joints[1, 0]),
        "arm bend": 1000 * float(np.ptp(joints[[16, 18, 20]][:, 1:], axis=0).max()),
    }


def _posed(body: dict[str, Array], pose_set: Array) -> dict[str, float]:
    """Volume and edges of posed bodies over those of the same bodies in the T-pose."""
    faces = body["f"].astype(int)
    edges = edges_of(faces)
    betas = np.clip(np.random.default_rng(BETA_SEED).normal(size=(len(pose_set), 10)), -2.5, 2.5)
    volumes = np.empty(len(pose_set))
    counts = np.zeros(4000, np.int64)
    for index, pose in enumerate(pose_set.astype(float)):
        rest = body["v_template"] + body["shapedirs"].astype(float) @ betas[index]
        posed = posed_mesh(body, rest, pose)
        volumes[index] = volume(posed, faces) / volume(rest, faces)
        ratio = lengths(posed, edges) / lengths(rest, edges)
        counts += np.bincount(np.minimum(ratio * 400, 3999).astype(int), minlength=4000)
    share = np.cumsum(counts) / counts.sum()
    quantile = [float(np.searchsorted(share, level) / 400) for level in (0.01, 0.99, 0.999)]
    return {
        "posed volume mean": float(volumes.mean()),
        "posed volume min": float(volumes.min()),
        "posed volume max": float(volumes.max()),
        "edge ratio 1 %": quantile[0],
        "edge ratio 99 %": quantile[1],
        "edge ratio 99.9 %": quantile[2],
    }


def _bends(body: dict[str, Array]) -> dict[str, float]:
    """Volume with elbows and knees bent."""
    rest, faces, found = body["v_template"].astype(float), body["f"].astype(int), {}
    for degrees in BENDS_DEGREES:
        pose, angle = np.zeros((24, 3)), np.radians(degrees)
        pose[[4, 5], 0] = angle
        pose[18, 1], pose[19, 1] = -angle, angle
        bent = volume(posed_mesh(body, rest, pose), faces) / volume(rest, faces)
        found[f"volume bent {degrees} degrees"] = bent
    return found


def _hand(hand: dict[str, Array]) -> dict[str, float]:
    faces, vertices = hand["f"].astype(int), hand["v_template"].astype(float)
    rows = hand["hands_components"].astype(float)
    tips = [vertices[number[0], 0] for number in numbering.MANO_NUMBERS.values()]
    return {
        "hand vertices": len(vertices),
        "hand faces": len(faces),
        "hand Euler characteristic": euler(faces),
        "hand rim": len(border_edges(faces)),
        "hand explained by 1": float(hand["explained_variance_ratio"][0]),
        "hand explained by 10": float(hand["explained_variance_ratio"].sum()),
        "hand width m": float(np.ptp(vertices[:, 0])),
        "hand furthest tip m": float(-min(tips)),
        "hand components off orthonormal": float(np.abs(rows @ rows.T - np.eye(45)).max()),
        "hand mean curl": float(np.linalg.norm(hand["hands_mean"])),
    }


def _whole_body(body: dict[str, Array], small: dict[str, Array] | None) -> dict[str, float]:
    vertices, faces = body["v_template"].astype(float), body["f"].astype(int)
    skin = faces[(faces < SKIN).all(1)]
    found = {
        "whole body vertices": len(vertices),
        "whole body faces": len(faces),
        "skin faces": len(skin),
        "skin Euler characteristic": euler(skin),
        "eye rim edges": len(border_edges(skin)),
        "whole body asymmetry": 1000 * _asymmetry(vertices, body["mirror_vertices"]),
        "largest expression": 1000 * float(np.abs(body["shapedirs"][:, :, 10]).max()),
        "eyeball radius": 1000 * float(np.ptp(vertices[SKIN:9929, 1]) / 2),
    }
    if small is not None:
        gap = [
            np.ptp(vertices[:, 1] + sign * body["shapedirs"][:, 1, i])
            - np.ptp(small["v_template"][:, 1] + sign * small["shapedirs"][:, 1, i])
            for i in range(10)
            for sign in (-1.0, 1.0)
        ]
        found["stature gap of the two bodies"] = 1000 * float(np.abs(gap).max())
    return found


def _levels(kind: str, vertices: Array, mesh: dict[str, Array], levels: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for level in range(levels):
        name = f"{kind} level {level + 1}"
        kept = mesh[f"D_{level}_index"]
        faces = mesh[f"faces_{level + 1}"].astype(int)
        row, column = mesh[f"U_{level}_row"], mesh[f"U_{level}_col"]
        value = mesh[f"U_{level}_val"].astype(float)
        rebuilt = np.zeros_like(vertices)
        np.add.at(rebuilt, row, value[:, None] * vertices[kept][column])
        error = np.linalg.norm(rebuilt - vertices, axis=1)
        sums = np.bincount(row, value, minlength=len(vertices))
        found |= {
            f"{name} vertices": len(kept),
            f"{name} faces": len(faces),
            f"{name} Euler characteristic": euler(faces),
            f"{name} rim": len(border_edges(faces)),
            f"{name} adjacency entries": mesh[f"adj_norm_{level + 1}_index"].shape[1],
            f"{name} up-sampling rows off 1": float(np.abs(sums - 1).max()),
            f"{name} smallest up-sampling weight": float(value.min()),
            f"{name} up-sampling mean": 1000 * float(error.mean()),
            f"{name} up-sampling max": 1000 * float(error.max()),
        }
        vertices = vertices[kept]
    return found


def _poses(found: dict[str, Array], body: dict[str, Array]) -> dict[str, float]:
    """How far the mean pose is from the poses, root turned away: the prior must not be too easy."""
    sample = found["poses"].astype(float)
    joints = body["J_regressor"].astype(float) @ body["v_template"].astype(float)
    parents = body["kintree_table"][0]
    hits = poses.hits_itself(sample, joints, parents)
    upright = sample.copy()
    upright[:, 0] = 0
    at = poses.forward_kinematics(upright, joints, parents)[1]
    mean = np.concatenate([np.zeros(3), *_mean_pose(found)]).reshape(1, 24, 3)
    guess = poses.forward_kinematics(mean, joints, parents)[1]
    return {
        "poses": len(sample),
        "poses that hit themselves": float(hits.mean()),
        "poses in the rarest mode": float(np.bincount(found["mode"]).min() / len(sample)),
        "mean pose error": 1000 * float(np.linalg.norm(at - guess, axis=2).mean()),
    }


def _mean_pose(found: dict[str, Array]) -> list[Array]:
    columns = found["mean_pose_6d"].astype(float).reshape(24, 3, 2)[1:]
    third = np.cross(columns[:, :, 0], columns[:, :, 1])
    return [poses.axis_angle(m) for m in np.concatenate([columns, third[:, :, None]], 2)]
