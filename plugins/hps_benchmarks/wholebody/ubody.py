"""UBody: fits to videos as truth, of which only what lies inside the picture counts.

Official truth is what OSX's loader makes of a fit: a shape with a number beyond 3 becomes the mean
shape, a hand without a fit the mean hand, and both count. The corrected protocol keeps the shape,
leaves out parts without a fit, and looks through the annotated lens.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hps_benchmarks.wholebody.part_errors import Seen
from hps_benchmarks.wholebody.rule import PartsRule
from hps_benchmarks.wholebody.visibility import PATCH_PX, seen_in_patch, seen_through_lens
from hpscli.data.official_crops.osx import patch_affines
from hpscli.errors import InvalidData
from hpscli.metrics.rules import People

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FARTHEST_BETA = 3.0  # IDEA-Research/OSX, common/utils/preprocessing.py
SIDES = ("left", "right")
ASPECT_TOLERANCE = 0.01  # of the stored 3:4 box, whose numbers may be whole


class UBodyRule(PartsRule):
    """Errors over the part of the true mesh that is inside the picture."""

    def true_mesh(self, people: People) -> tuple[Array, Seen]:
        """B people -> true meshes (B,V,3) before the camera, NaN without truth, and what counts."""
        targets, present = dict(people.targets), dict(people.present)
        fitted = {side: self._with_hand(side, people, targets, present) for side in SIDES}
        if not self.corrected and "smplx.betas" in targets:
            beyond = (targets["smplx.betas"].abs() > FARTHEST_BETA).any(dim=1, keepdim=True)
            targets["smplx.betas"] = torch.where(beyond, 0.0, targets["smplx.betas"])
        points = self.truth.points(targets, present, people.meta)
        moved = targets.get("smplx.transl")
        if points.vertices is None or moved is None:
            raise InvalidData(
                f"nobody here has a fit with a translation, which '{self.protocol.name}' needs.",
                "Prepare UBody with its SMPL-X annotations: hps prepare ubody",
            )
        known = present["smplx.transl"].cpu().numpy()
        placed = points.vertices + moved.double().cpu().numpy()[:, None]
        placed[~known] = np.nan
        sizes = np.array([sample.meta["image_size_px"] for sample in people.samples], np.float64)
        shown = np.nan_to_num(placed)
        if not self.corrected:
            affines = np.stack(
                [self._patch(sample.key, sample.arrays) for sample in people.samples]
            )
            shown = shown.astype(np.float32)
            nothing = np.zeros((len(shown), 3), np.float32)
            return placed, seen_in_patch(shown, nothing, self.parts, affines, sizes)
        lenses = [sample.arrays.get("camera.intrinsics") for sample in people.samples]
        placed[[lens is None for lens in lenses]] = np.nan
        lens = np.stack([np.eye(3) if one is None else one for one in lenses])
        seen = seen_through_lens(shown, self.parts, lens.astype(np.float64), sizes)
        return placed, self._fitted(seen, fitted, _face_is_known(people))

    def _with_hand(
        self, side: str, people: People, targets: dict[str, Tensor], present: dict[str, Tensor]
    ) -> Mask:
        """Fill in the mean hand where there is no fit -> who has one (B,)."""
        name, stored = f"smplx.{side}_hand_pose", f"extra.{side}_hand_pose_from_mean"
        mean = torch.from_numpy(
            np.asarray(self.body.hand_means[f"hands_mean{side[0]}"], np.float32)
        )
        poses = mean.repeat(len(people), 1)
        has = torch.zeros(len(people), dtype=torch.bool)
        if name in targets:
            has = present[name].cpu().clone()
            poses[has] = targets[name].cpu()[has].float()
        for row, sample in enumerate(people.samples):
            if stored in sample.arrays and not has[row]:
                poses[row] += torch.from_numpy(np.array(sample.arrays[stored], np.float32))
                has[row] = True
        targets[name], present[name] = poses, torch.ones_like(has)
        return has.numpy()

    def _patch(self, key: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """A stored person -> the affine (2,3) of OSX's patch to the picture."""
        box = arrays.get("box.xywh")
        aspect = PATCH_PX[0] / PATCH_PX[1]
        if box is None or abs(box[2] / box[3] / aspect - 1) > ASPECT_TOLERANCE:
            raise InvalidData(
                f"'{key}' is stored without OSX's 3:4 box, on which its rule of what counts depends.",
                "Prepare UBody with --as-reference, or measure through the annotated lens: "
                f"--protocol {self.protocol.beside}",
            )
        return patch_affines(np.asarray(box, np.float64))[1]

    def _fitted(self, seen: Seen, hands: dict[str, Mask], face: Mask) -> Seen:
        """What is seen -> without the parts that nobody fitted."""
        vertices = seen.vertices.copy()
        joints = {}
        for side in SIDES:
            lacking = ~hands[side]
            vertices[np.ix_(lacking, getattr(self.parts, f"{side}_hand"))] = False
            joints[f"{side}_hand"] = getattr(seen, f"{side}_hand") & hands[side][:, None]
        vertices[np.ix_(~face, self.parts.face)] = False
        return Seen(vertices=vertices, body=seen.body, **joints)


def _face_is_known(people: People) -> Mask:
    return np.array(["smplx.jaw_pose" in sample.arrays for sample in people.samples], bool)
