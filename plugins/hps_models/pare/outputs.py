"""What PARE says once a body is there: mesh, joints, and their place in the crop."""

from torch import Tensor

from hps_models.pare.network import MAP_STRIDE
from hpscli.body.cameras import project_perspective, weak_to_translation
from hpscli.body.kit import BodyKit
from hpscli.errors import MissingError
from hpscli.records import Prediction

FOCAL_PX = 5000.0  # of the crop, as all descendants of SPIN assume
JOINTS = {"joints49": "smpl49", "keypoints3d_h36m17": "h36m17"}  # their name -> our joint set


def raw(prediction: Prediction, kit: BodyKit) -> dict[str, Tensor]:
    """Prediction with vertices -> pred_cam_t (B,3), vertices, joints49, joints2d_norm, ..."""
    maps = prediction.raw.get("segm_logits", prediction.raw.get("heatmaps"))
    vertices = prediction.vertices
    if maps is None or vertices is None:
        return {}
    crop_px = MAP_STRIDE * maps.shape[-1]
    translation = weak_to_translation(prediction.camera.float(), FOCAL_PX, crop_px)
    found = {"pred_cam_t": translation, "vertices": vertices}
    for theirs, ours in JOINTS.items():
        try:
            found[theirs] = kit.body().regress(
                vertices, ours, joints=prediction.joints.get("smpl24")
            )
        except MissingError:  # an official body whose regressor was not imported
            continue
    if "joints49" in found:
        pixels = project_perspective(
            found["joints49"], prediction.camera.float(), FOCAL_PX, crop_px
        )
        found["joints2d_norm"] = pixels / (crop_px / 2)
    return found
