import json
from pathlib import Path

import numpy as np
import pytest

from hpscli.data.forms.openpose import LIMBS, match_openpose, read_openpose
from hpscli.errors import InvalidData, MissingError


def labels(size: float = 100.0) -> np.ndarray:
    """Joints of spin_gt24 around (150, 150)."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = 150 + size / 2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.concatenate([points, np.ones((24, 1))], axis=1)


def detection(part: np.ndarray, away: float, confidence: float = 0.9) -> np.ndarray:
    found = np.zeros((25, 3))
    found[list(LIMBS), :2] = part[: len(LIMBS), :2] + [away, 0]
    found[list(LIMBS), 2] = confidence
    return found


def test_the_nearest_person_with_all_limbs_is_taken() -> None:
    part = labels()
    far, near, cut = detection(part, 50), detection(part, 3), detection(part, 0)
    cut[LIMBS[4], 2] = 0
    assert match_openpose([far, cut, near], part, "lsp") is near
    assert match_openpose([cut, far], part, "lsp") is far


def test_the_first_person_is_taken_when_nobody_has_all_limbs() -> None:
    part = labels()
    first, second = detection(part, 90, 0), detection(part, 1, 0)
    assert match_openpose([first, second], part, "mpii") is first
    assert not match_openpose([], part, "mpii").any()


@pytest.mark.parametrize(
    ("dataset", "away", "kept"),
    [
        ("mpii", 25, False),  # far for the person, and below 30 px
        ("mpii", 35, True),  # SPIN's rule rejects what is near
        ("coco", 25, True),
        ("coco", 9, True),  # near for the person
        ("lsp", 25, True),
    ],
)
def test_a_match_is_rejected_as_spin_rejects_it(dataset: str, away: float, kept: bool) -> None:
    part = labels()
    part[:, :2] -= part[:, :2].min(0)
    assert match_openpose([detection(part, away)], part, dataset).any() == kept


def test_joints_without_a_label_count_as_the_corner_in_the_size_of_a_person() -> None:
    part = labels()
    assert not match_openpose([detection(part, 15)], part, "mpii").any()
    part[23] = 0  # now the person reaches from (0, 0)
    assert match_openpose([detection(part, 15)], part, "mpii").any()


def test_a_broken_file_of_detections_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a_keypoints.json"
    with pytest.raises(MissingError, match="cannot be read"):
        read_openpose(path)
    for text in ("{", "[]", '{"people": [{"pose_keypoints_2d": [1, 2]}]}', '{"people": 3}'):
        path.write_text(text)
        with pytest.raises(InvalidData, match=r"a_keypoints\.json is no result of OpenPose"):
            read_openpose(path)
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 75}]}))
    assert read_openpose(path)[0].shape == (25, 3)
