"""Outputs under the names of SPIN and mmhuman3d that need a body: meshes, joint sets, projection."""

from torch import Tensor

from hps_models.hmr.network import rotations_of
from hpscli.body.cameras import project_perspective, weak_to_translation
from hpscli.body.kit import BodyKit
from hpscli.errors import MissingError
from hpscli.records import Prediction

FOCAL_PX, CROP_PX = 5000.0, 224  # of SPIN and mmhuman3d
# Their name -> our joint set. SPIN's evaluation, mmhuman3d's in testing, and in training.
JOINT_SETS = {
    "joints49": "smpl49",
    "h36m17": "h36m17",
    "keypoints3d_h36m17": "h36m17",
    "keypoints3d_train": "smpl54",
}


def body_outputs(prediction: Prediction, kit: BodyKit) -> dict[str, Tensor]:
    """Prediction with vertices and joints -> further raw outputs; without a regressor, no joints."""
    outputs: dict[str, Tensor] = {}
    if "pose6d_niter1" in prediction.raw:
        outputs["rotmat_niter1"] = rotations_of(prediction.raw["pose6d_niter1"])
    outputs["pred_cam_t"] = weak_to_translation(prediction.camera, FOCAL_PX, CROP_PX)
    if prediction.vertices is None:
        return outputs
    outputs["vertices"] = prediction.vertices
    body = kit.body()
    own = prediction.joints.get(body.joint_set)
    for name, joint_set in JOINT_SETS.items():
        try:
            outputs[name] = body.regress(prediction.vertices, joint_set, joints=own)
        except MissingError:  # a body that was given without this regressor
            continue
    if "joints49" in outputs:
        outputs["keypoints2d_norm"] = project_spin(outputs["joints49"], prediction.camera)
    return outputs


def project_spin(joints: Tensor, camera: Tensor) -> Tensor:
    """joints (B,J,3) metres, camera (B,3) -> crop units (B,J,2): perspective, 5000 px of 224."""
    return project_px(joints, camera) / (CROP_PX / 2)


def project_px(joints: Tensor, camera: Tensor) -> Tensor:
    """joints (B,J,3) metres, camera (B,3) -> (B,J,2) px from the centre of a crop of 224 px."""
    return project_perspective(joints, camera, FOCAL_PX, CROP_PX)
