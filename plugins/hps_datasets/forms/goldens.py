"""What the goldens of pre-parsed forms need beyond people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpscli.data.archives import open_npz


def h36m_cameras(root: Path) -> Mapping[Any, Any]:
    """-> all cameras of the HumanData file of Human3.6M, by subject and camera."""
    with open_npz(root / "h36m_mosh_train.npz") as archive:
        cameras: Mapping[Any, Any] = archive["cam_param"]
    return cameras
