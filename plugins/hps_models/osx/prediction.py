"""Everything that the network said -> the common Prediction, and the names that its authors use."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hps_models.osx.geometry import CROP, PICTURE
from hps_models.osx.parts.boxes import Boxes
from hps_models.osx.parts.position_nets import Positions
from hps_models.osx.parts.regressors import BodyNumbers
from hps_models.osx.pose import (
    axis_angles,
    flat_hand,
    hand_to_body_cells,
    to_matrices,
    translation,
    unmirrored,
    unmirrored_coordinates,
    weak_camera,
)
from hpscli.records import Prediction

PARTS = ("lhand", "rhand", "face")


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The outputs of all parts; hands are 2B rows, mirrored left ones first."""

    tokens: Tensor
    features: Tensor
    body: Positions
    body_numbers: BodyNumbers
    boxes: Boxes
    squares: tuple[Tensor, Tensor, Tensor]  # (B,4) px of the encoder's picture: left, right, face
    hands: Positions
    hand_maps: list[Tensor]
    hand_decoded: Tensor | None
    hand_numbers: Tensor
    face: Positions | None
    face_maps: list[Tensor]
    face_decoded: Tensor | None
    expression: Tensor
    jaw: Tensor


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Axis-angle as OSX has it: hands relative to the mean hand."""

    root: Tensor  # (B,3)
    body: Tensor  # (B,63)
    left: Tensor  # (B,45)
    right: Tensor  # (B,45)
    jaw: Tensor  # (B,3)

    def joined(self) -> Tensor:
        """-> (B,159): root, body, left hand, right hand, jaw."""
        return torch.cat([self.root, self.body, self.left, self.right, self.jaw], dim=1)


def to_prediction(
    said: Numbers, left_mean: Tensor, right_mean: Tensor, *, training: bool
) -> Prediction:
    """What the network said -> camera and parameters; `extras` for losses, else `raw`."""
    pose = _pose(said)
    moved = translation(said.body_numbers.camera)
    batch = moved.shape[0]
    hands = said.hands.coordinates
    left, right = unmirrored_coordinates(hands[:batch]), hands[batch:]
    eye = torch.eye(3, device=moved.device).expand(batch, 3, 3)
    return Prediction(
        camera=weak_camera(moved),
        parameters={
            "global_orient": to_matrices(pose.root)[:, 0],
            "body_pose": to_matrices(pose.body),
            "jaw_pose": to_matrices(pose.jaw)[:, 0],
            "leye_pose": eye,
            "reye_pose": eye,
            "left_hand_pose": flat_hand(pose.left, left_mean),
            "right_hand_pose": flat_hand(pose.right, right_mean),
            "betas": said.body_numbers.betas.float(),
            "expression": said.expression,
        },
        extras=_for_losses(said, pose, moved, left, right) if training else {},
        raw={} if training else _raw(said, pose, moved, left, right),
    )


def _pose(said: Numbers) -> Pose:
    both = axis_angles(said.hand_numbers)
    batch = both.shape[0] // 2
    return Pose(
        root=axis_angles(said.body_numbers.root),
        body=axis_angles(said.body_numbers.body),
        left=unmirrored(both[:batch]),
        right=both[batch:],
        jaw=axis_angles(said.jaw),
    )


def _for_losses(
    said: Numbers, pose: Pose, moved: Tensor, left: Tensor, right: Tensor
) -> dict[str, Tensor]:
    """-> what the losses compare besides parameters; hands in cells of their own cuts."""
    extras = {
        "pose": pose.joined(),
        "translation": moved,
        "image_joints": torch.cat([said.body.coordinates, left, right], dim=1),
        "box_centres": said.boxes.centres,
        "box_sizes": said.boxes.sizes,
        "left_box": said.squares[0],
        "right_box": said.squares[1],
    }
    if said.face is not None:
        extras["face_joints"] = said.face.coordinates
    return extras


def _raw(
    said: Numbers, pose: Pose, moved: Tensor, left: Tensor, right: Tensor
) -> Mapping[str, Tensor]:
    """-> every output under its name in the goldens."""
    raw = {
        "encoder_task_tokens": said.tokens,
        "encoder_feat": said.features,
        "body_joint_hm": said.body.volume,
        "body_joint_img": said.body.coordinates,
        "root_pose_6d": said.body_numbers.root,
        "body_pose_6d": said.body_numbers.body,
        "cam_param_raw": said.body_numbers.camera,
        "hand_pose_6d": said.hand_numbers,
        "jaw_pose_6d": said.jaw,
        "hand_joint_hm_space": said.hands.coordinates,
    }
    for index, part in enumerate(PARTS):
        raw[f"raw_{part}_bbox_center"] = said.boxes.centres[:, index]
        raw[f"raw_{part}_bbox_size"] = said.boxes.sizes[:, index]
        raw[f"{part}_bbox_body256x192"] = said.squares[index]
        raw[f"out_{part}_bbox"] = said.squares[index] * (CROP[0] / PICTURE[0])
    raw |= _part("hand", said.hands, said.hand_maps, said.hand_decoded)
    if said.face is not None:
        raw["face_joint_hm_space"] = said.face.coordinates
        raw |= _part("face", said.face, said.face_maps, said.face_decoded)
    places = [
        said.body.coordinates,
        hand_to_body_cells(left, said.squares[0]),
        hand_to_body_cells(right, said.squares[1]),
    ]
    return raw | {
        "out_joint_img": torch.cat(places, dim=1),
        "out_smplx_root_pose": pose.root,
        "out_smplx_body_pose": pose.body,
        "out_smplx_lhand_pose": pose.left,
        "out_smplx_rhand_pose": pose.right,
        "out_smplx_jaw_pose": pose.jaw,
        "out_smplx_shape": said.body_numbers.betas,
        "out_smplx_expr": said.expression,
        "out_cam_trans": moved,
    }


def _part(
    name: str, positions: Positions, maps: list[Tensor], decoded: Tensor | None
) -> dict[str, Tensor]:
    raw = {f"{name}_feat_level{level}": features for level, features in enumerate(maps)}
    if decoded is not None and positions.features is not None:
        raw |= {f"{name}_query_init": positions.features, f"{name}_decoder_out": decoded}
    return raw
