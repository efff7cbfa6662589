"""What HMR2.0 says once a body is there: mesh, 44 joints, and their place in the crop."""

from torch import Tensor

from hpscli.body.cameras import project_perspective, weak_to_translation
from hpscli.body.kit import BodyKit
from hpscli.errors import MissingError
from hpscli.nn.vit import PATCH_PX
from hpscli.records import Prediction

FOCAL_PX = 5000.0  # of the crop
JOINTS = "hmr2_44"  # 25 of OpenPose, then 19 of a regressor


def raw(prediction: Prediction, kit: BodyKit) -> dict[str, Tensor]:
    """Prediction with vertices -> pred_cam_t (B,3), vertices, joints44, keypoints2d (B,44,2)."""
    features, vertices = prediction.raw.get("feature"), prediction.vertices
    if features is None or vertices is None:
        return {}
    crop_px = PATCH_PX * features.shape[-2]
    translation = weak_to_translation(prediction.camera.float(), FOCAL_PX, crop_px)
    found = {"pred_cam_t": translation, "vertices": vertices}
    try:
        joints = kit.body().regress(vertices, JOINTS, joints=prediction.joints.get("smpl24"))
    except MissingError:  # an official body whose regressors were not imported
        return found
    return {
        **found,
        "joints44": joints,
        "keypoints2d": in_crop(joints, prediction.camera.float(), crop_px),
    }


def in_crop(joints: Tensor, camera: Tensor, crop_px: int) -> Tensor:
    """joints (B,J,3) m, camera (B,3) -> perspective projection (B,J,2) in -0.5..0.5."""
    return project_perspective(joints, camera, FOCAL_PX, crop_px) / crop_px
