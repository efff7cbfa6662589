"""Two steps of the optimiser on the whole network, without and with the parameter regressor."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.fastmetro.goldens import image, surrogate
from hps_models.fastmetro.goldens_losses import CLIP, DECAY, RATE, WEIGHTINGS
from hpscli.body.kit import BodyKit
from hpscli.nn.checkpoints import LoadedModel, load_model
from hpscli.nn.layouts import Row
from hpscli.nn.mesh.weightings import FASTMETRO
from hpscli.records import Batch
from hpscli.registry import resolve
from hpscli.testing.goldens import (
    ArrayCheck,
    ReplayOptions,
    compare,
    fill_manifest,
    locate,
    read_golden,
    read_manifest,
)
from hpscli.testing.mesh_goldens import gradients, in_training_format, label_batch

# SPEC 8.3: totals and gradient norms of both steps, norms of changes, single numbers of changes.
STEP, CHANGE, ENTRY = 1e-3, 1e-2, 1e-1
STEPS, PEOPLE, LABEL_SEED = 2, 2, 100
MANIFESTS = {"nonparam": "S-R50-body", "smpl": "S-R50-body-smpl"}  # of runs that begin so


def replay_train_step(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/train_step_S-R50.npz: eval mode, so no dropout, and batch norms that stay."""
    golden = read_golden(folder, "goldens/train_step_S-R50.npz")
    kit = surrogate("smpl", folder, options)
    images = torch.from_numpy(image("blocks", PEOPLE, options))
    batch = label_batch(drawn_labels(options.get("label_seed", LABEL_SEED)), kit, images)
    filled: dict[str, Tensor] = {}
    for run in dict.fromkeys(key.split("__")[0] for key in golden):
        manifest = next(m for start, m in MANIFESTS.items() if run.startswith(start))
        entries = read_manifest(locate(folder, f"keys/FastMETRO-{manifest}.json"))
        missing = {key: entry for key, entry in entries.items() if key not in filled}
        filled |= fill_manifest(missing, xor=options.seed_xor)
        state = {key: filled[key].clone() for key in entries}
        model = load_model(state, body=kit)
        in_training_format(model.module)
        with gradients():
            checks = list(_run(golden, run, model, batch, kit))
        yield from checks


def drawn_labels(seed: int) -> dict[str, Any]:
    """-> annotation arrays of two people, drawn in the order of SPEC 8.2."""
    draw = np.random.RandomState(seed)
    flat = draw.standard_normal((PEOPLE, 24, 2)) * 0.5
    visible = draw.random_sample((PEOPLE, 24, 1)) > 0.3
    points = draw.standard_normal((PEOPLE, 24, 3)) * 0.3
    sure = draw.random_sample((PEOPLE, 24, 1)) > 0.2
    return {
        "joints_2d": np.concatenate([flat, visible], axis=2),
        "joints_3d": np.concatenate([points, sure], axis=2),
        "pose": draw.standard_normal((PEOPLE, 72)) * 0.3,
        "betas": draw.standard_normal((PEOPLE, 10)),
        "has_2d_joints": np.array([1, 1]),
        "has_3d_joints": np.array([1, 0]),
        "has_smpl": np.array([1, 1]),
    }


def _run(
    golden: Mapping[str, Any], run: str, model: LoadedModel, batch: Batch, kit: BodyKit
) -> Iterator[ArrayCheck]:
    network, weights = model.module, FASTMETRO[WEIGHTINGS[run]]
    rows: list[Row] = resolve(model.spec.layouts[0].rows)(model.options)
    ours = {row.theirs: row.ours for row in rows if row.ours}
    changes = {
        key: ours[key.removeprefix(start).rsplit("__", 1)[0]]
        for start in [f"{run}__delta_after_2_steps__"]
        for key in golden
        if key.startswith(start)
    }
    before = {name: network.get_parameter(name).detach().clone() for name in changes.values()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    for step in range(STEPS):
        optimizer.zero_grad()
        terms = resolve(model.spec.losses)(network(batch.image), batch, kit, list(weights))
        total = torch.stack([terms[name] * weight for name, weight in weights.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        if step == 0:
            yield from _parts(golden, f"{run}__step0_gradL2__", network, ours)
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        for name, value in (("total", total), ("gradnorm", norm)):
            key = f"{run}__{name}_step{step}"
            yield compare(key, value, golden[key], STEP, "relative")
    for key, name in changes.items():
        change = (network.get_parameter(name) - before[name]).detach().double()
        if key.endswith("__L2"):
            norm = torch.linalg.vector_norm(change)
            yield compare(key, norm, golden[key], CHANGE, "relative")
        else:
            yield compare(key, change.reshape(-1)[:8], golden[key], ENTRY, "relative")


def _parts(
    golden: Mapping[str, Any], start: str, network: torch.nn.Module, ours: Mapping[str, str]
) -> Iterator[ArrayCheck]:
    """Norms of the gradients of every part of the authors' network."""
    parameters = dict(network.named_parameters())
    for key in golden:
        if not key.startswith(start):
            continue
        part = key.removeprefix(start)
        found = [
            parameters[name].grad
            for theirs, name in ours.items()
            if theirs.startswith(f"{part}.") and name in parameters
        ]
        norms = [torch.linalg.vector_norm(g.double()) for g in found if g is not None]
        norm = torch.stack(norms).square().sum().sqrt() if norms else torch.zeros(())
        yield compare(key, norm, golden[key], STEP, "relative")
