"""Hands and their files, whole and damaged: what the tests of FreiHAND and HO-3D share."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpscli.body.layer import load_body, matrices

Content = list[Any]  # [joints, vertices]
Damage = Callable[[Content], Any]


def posed_hands(count: int, joints: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """-> joints (N,21,3) and vertices (N,778,3) of right hands with bent fingers, 0.7 m away."""
    body = load_body("mano", source="free")
    random = torch.Generator().manual_seed(seed)
    sizes = {"global_orient": 3, "hand_pose": 45, "betas": 10}
    parameters = {n: 0.2 * torch.randn(count, s, generator=random) for n, s in sizes.items()}
    parameters["hand_pose"][:, 2::3] += 0.4  # towards the palm
    vertices = body(matrices(parameters)).vertices + torch.tensor([0.0, 0.0, 0.7])
    return body.regress(vertices, joints).numpy(), vertices.numpy()


def content(joints: np.ndarray, vertices: np.ndarray) -> Content:
    return [joints.astype(float).tolist(), vertices.astype(float).tolist()]


def packed(file: Path, document: Any, name: str = "pred.json", **others: bytes) -> Path:
    """A document, or text, in a zip."""
    text = document if isinstance(document, str) else json.dumps(document)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
        for other, data in others.items():
            archive.writestr(other, data)
    return file


def broken_zip(file: Path) -> Path:
    """-> a zip whose end is missing."""
    file.write_bytes(file.read_bytes()[:-200])
    return file


def flipped_bytes(file: Path) -> Path:
    """-> a zip whose member does not have its checksum."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    return file


def bomb(file: Path) -> Path:
    """-> a small zip with a member of a gigabyte of blanks."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("pred.json", "w", force_zip64=True) as stream,
    ):
        for _ in range(64):
            stream.write(b" " * (1 << 20))
    file.write_bytes(content.getvalue())
    return file


def put(value: Any, side: int = 0, hand: int = 1) -> Damage:
    """-> a damage: another value for one coordinate."""

    def damage(document: Content) -> Content:
        document[side][hand][3][1] = value
        return document

    return damage


def each(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """-> a damage: all points of both lists changed."""
    return lambda document: [change(np.array(part)).tolist() for part in document]
