"""PARE's losses, unweighted: those of SPIN, and the labels of body parts.

Official weights, all of them times 60: keypoints2d 5, keypoints3d 5, pose 1, betas 0.001, camera 1,
parts 1; vertices 0. Where our labels have other joints than the authors' 49, each set counts as
theirs does: squares weighted by confidence, averaged over all joints, seen or not.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from hpscli.body.layer import Body
from hpscli.records import Batch, Prediction
from hpscli.train.losses import Scene, betas, pose, spin, vertices
from hpscli.train.losses.parts import UNKNOWN, part_labels

PARTS = "parts.smpl24"  # (B,H,W): 0 background, 1 + joint, -1 unknown


def pare_losses(
    prediction: Prediction, batch: Batch, body: Body, names: Collection[str]
) -> dict[str, Tensor]:
    """Prediction and targets -> {name: scalar}, unweighted; what has no label is 0."""
    return spin.chosen_terms("pare", TERMS, Scene(prediction, batch, body), names)


def parts(scene: Scene) -> Tensor:
    """Cross entropy of part labels: stored ones, else those of the labelled SMPL, as large as the maps.

    Stored labels may be larger than maps, which grow to their size.
    """
    logits = scene.prediction.extras.get("part_logits")
    if logits is None:
        return scene.nothing()
    labels, present = stored_labels(scene.batch)
    if labels is None:
        height, width = logits.shape[-2:]
        labels, present = part_labels(scene.batch, scene.body, (height, width))
    labels = torch.where(present[:, None, None], labels, UNKNOWN)
    if logits.shape[-2:] != labels.shape[-2:]:
        logits = functional.interpolate(
            logits, size=labels.shape[-2:], mode="bilinear", align_corners=True
        )
    total = functional.cross_entropy(logits, labels, ignore_index=UNKNOWN, reduction="sum")
    return total / (labels != UNKNOWN).sum().clamp(min=1)


def stored_labels(batch: Batch) -> tuple[Tensor | None, Tensor]:
    """-> labels (B,H,W) out of the shards, None when nobody has any, and who has them (B,)."""
    target = batch.targets.get(PARTS)
    if target is None or not bool(batch.present[PARTS].any()):
        return None, torch.zeros(len(batch), dtype=torch.bool, device=batch.image.device)
    return target.long(), batch.present[PARTS].bool()


TERMS: Mapping[str, Callable[[Scene], Tensor]] = {
    "keypoints2d": spin.keypoints2d,
    "keypoints3d": spin.keypoints3d,
    "pose": pose,
    "betas": betas,
    "camera": spin.camera,
    "parts": parts,
    "vertices": vertices,
}
