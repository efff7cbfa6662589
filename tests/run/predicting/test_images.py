"""Focal lengths that cameras note in their files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpscli.run.predicting.images import exif_focal_mm


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 28
    path = tmp_path / "noted.webp"
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(path, exif=exif)
    return path


def test_a_noted_focal_length_is_read(noted: Path) -> None:
    assert exif_focal_mm(noted) == 28


def test_notes_that_are_damaged_are_no_focal_length(noted: Path) -> None:
    noted.write_bytes(noted.read_bytes().replace(b"MM\x00*", b"MM\x00!"))
    assert exif_focal_mm(noted) == 0


def test_an_image_too_large_for_pillow_can_still_be_predicted(
    noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    assert exif_focal_mm(noted) == 0
