"""Multi-scale fusion of hands, and the files of predictions for FreiHAND."""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from hps_models.goldens_metro_graphormer.networks import surrogate
from hpscli.nn.mesh.space import mesh_space
from hpscli.run.fusion import REFERENCE, fuse, views
from hpscli.run.hands.freihand import MEMBER, freihand_points, write_freihand
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden

METRES = 1e-5  # float64 on both sides; SPEC 9 gives 1e-4 for networks
FILE_METRES = 1e-6  # float32 rounding of metres below one
SEED = 62
NOISE, SPREAD = 0.01, 0.1


def replay_fusion(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/multiscale_fusion.npz: inputs by rule, joints and vertices fused separately."""
    golden = read_golden(folder, "goldens/multiscale_fusion.npz")
    draw = np.random.RandomState(options.get("fusion_seed", SEED))
    shapes = {name: golden[name].shape for name in ("joints", "vertices")}
    base = {name: SPREAD * draw.standard_normal(shape) for name, shape in shapes.items()}
    runs: dict[tuple[float, int], dict[str, Any]] = {}
    for scale, degrees in _order(golden):
        turn = _about_z(degrees)
        runs[scale, degrees] = {
            name: scale * (points @ turn.T) + NOISE * draw.standard_normal(points.shape)
            for name, points in base.items()
        }
    for name in shapes:
        fused = fuse(runs[REFERENCE][name], (run[name] for run in runs.values()))
        yield compare(name, fused, golden[name], METRES, "m")
    usual = np.array(list(views()))
    yield compare("file_order", usual, list(runs), 0, note="scale and rotation of every run")


def _order(golden: Mapping[str, Any]) -> list[tuple[float, int]]:
    """Names of official files, as ckpt200-sc07_rot-10-pred.zip -> scale, degrees of every run."""
    matches = [re.search(r"sc(\d+)_rot(-?\d+)-pred", str(name)) for name in golden["file_order"]]
    return [(int(match[1]) / 10, int(match[2])) for match in matches if match]


def _about_z(degrees: float) -> Any:
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def replay_local(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/freihand_pred_local.zip: both from the wrist that is regressed from the mesh."""
    yield from _replay_file(folder, options, "local", centred=True)


def replay_aml(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/freihand_pred_aml.zip: the network's output as it is."""
    yield from _replay_file(folder, options, "aml", centred=False)


def _replay_file(
    folder: Path, options: ReplayOptions, name: str, *, centred: bool
) -> Iterator[ArrayCheck]:
    inputs = read_golden(folder, "goldens/freihand_pred_inputs.npz")
    space = mesh_space(surrogate(folder, "hand", options))
    fine = f"vertices_{space.hierarchy.sizes[0]}"
    vertices = torch.from_numpy(inputs[fine])
    joints = space.joints(vertices)
    if centred:
        joints, vertices = freihand_points(joints, vertices)
    with TemporaryDirectory() as place:
        file = Path(place) / "pred.zip"
        write_freihand(file, joints, vertices)
        ours = _read(file)
    theirs = _read(locate(folder, f"goldens/freihand_pred_{name}.zip"))
    yield compare("members", len(ours[1]), len(theirs[1]), 0)
    for part, got, wanted in zip(("joints", "vertices"), ours[0], theirs[0], strict=True):
        yield compare(part, got, wanted, FILE_METRES, "m")


def _read(path: Path) -> tuple[tuple[Any, Any], list[str]]:
    """A file for FreiHAND -> joints, vertices, and the names of its members."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        joints, vertices = json.loads(archive.read(MEMBER))
    return (np.asarray(joints), np.asarray(vertices)), names
