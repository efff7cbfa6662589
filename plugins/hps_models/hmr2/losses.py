"""HMR2.0's losses, unweighted: sums over joints and over 48 people, not means.

Official weights: keypoints3d 0.05, keypoints2d 0.01, global_orient 0.001, body_pose 0.001, betas
0.0005; the adversary's term, 0.0005, is in discriminator.py. Theirs are sums over the batch of a card,
which is 48. A sum over another batch would weigh otherwise against the adversary, whose term is a
mean: so any batch counts as if it had 48 people.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from torch import Tensor

from hps_models.hmr2.outputs import JOINTS, in_crop
from hpscli.body.layer import Body, matrices
from hpscli.records import Batch, Prediction
from hpscli.train.losses import Scene, root_of
from hpscli.train.losses.spin import chosen_terms, with_root

PELVIS = 39  # of the 44 joints: the pelvis of MPII
PEOPLE = 48  # TRAIN.BATCH_SIZE of 4D-Humans: official weights belong to sums over so many
CROP_UNITS = 2.0  # our crop is -1..1 wide, theirs -0.5..0.5


def hmr2_losses(
    prediction: Prediction, batch: Batch, body: Body, names: Collection[str]
) -> dict[str, Tensor]:
    """Prediction and targets -> {name: scalar}, unweighted; what has no label is 0."""
    sums = chosen_terms("hmr2", TERMS, Scene(prediction, batch, body), names)
    return {name: value * (PEOPLE / len(batch)) for name, value in sums.items()}


def absolute_sum(found: Tensor, target: Tensor) -> Tensor:
    """found (B,J,n), target (B,J,n+1) whose last column is confidence -> sum of conf * |error|."""
    return (target[..., -1:] * (found - target[..., :-1]).abs()).sum()


def rooted_sum(found: Tensor, target: Tensor, root: Collection[int] = (PELVIS,)) -> Tensor:
    """As absolute_sum, of joints (B,J,3) relative to the mean of the root joints."""
    joints = list(root)
    centred = target.clone()
    centred[..., :-1] -= target[:, joints, :-1].mean(dim=1, keepdim=True)
    return absolute_sum(found - found[:, joints].mean(dim=1, keepdim=True), centred)


def square_sum(found: Tensor, target: Tensor, present: Tensor) -> Tensor:
    """found and target (B,...), present (B,) -> sum of the squares of those that are present."""
    return ((found - target).square().flatten(1) * present[:, None]).sum()


def keypoints2d(scene: Scene) -> Tensor:
    """Sum of L1 in crop widths, joints projected by a pinhole camera of 5000 px."""
    total = scene.nothing()
    crop_px = scene.batch.image.shape[-1]
    for name, (target, present) in scene.targets("keypoints2d.").items():
        found = in_crop(scene.joints(name), scene.prediction.camera, crop_px)
        target = target / target.new_tensor([CROP_UNITS, CROP_UNITS, 1.0])
        total = total + absolute_sum(found, target * present[:, None, None])
    return total


def keypoints3d(scene: Scene) -> Tensor:
    """Sum of L1 in metres of joints relative to the pelvis; labels without it teach nothing."""
    total = scene.nothing()
    for name, (target, present) in scene.targets("keypoints3d.").items():
        root = [PELVIS] if name == JOINTS else root_of(name)
        present = with_root(target, present, root)
        total = total + rooted_sum(scene.joints(name), target * present[:, None, None], root)
    return total


def parameter(scene: Scene, name: str) -> Tensor:
    """Sum of squares between rotation matrices, or shape coefficients."""
    found = scene.targets(f"{scene.body.kind}.").get(name)
    if found is None:
        return scene.nothing()
    predicted = scene.prediction.parameters[name]
    wanted = matrices({name: found[0]})[name]
    return square_sum(predicted, wanted[..., : predicted.shape[-1]], found[1])


TERMS: Mapping[str, Callable[[Scene], Tensor]] = {
    "keypoints2d": keypoints2d,
    "keypoints3d": keypoints3d,
    "global_orient": partial(parameter, name="global_orient"),
    "body_pose": partial(parameter, name="body_pose"),
    "betas": partial(parameter, name="betas"),
}
