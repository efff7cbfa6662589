"""A few free people in shards, and small models that see them: what the tests of run share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from hpscli.body.layer import COEFFICIENTS, PARAMETERS, load_body, matrices
from hpscli.data.sample import encode_record
from hpscli.data.shards import ShardWriter, write_index
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import LoadedModel, build_model, load_model
from hpscli.nn.checkpoints import save_checkpoint as save
from hpscli.nn.files import CheckpointInfo
from hpscli.records import Prediction

IMAGE_PX = 96


def parameters(kind: str, seed: int, spread: float = 0.3) -> dict[str, np.ndarray]:
    """-> axis-angle parameters of one person by the names of shards."""
    random = np.random.RandomState(seed)
    found = {}
    for name, count in PARAMETERS[kind].items():
        found[f"{kind}.{name}"] = random.randn(3 * count).astype(np.float32) * spread
    for name, count in COEFFICIENTS[kind].items():
        found[f"{kind}.{name}"] = random.randn(count).astype(np.float32)
    return found


def write_people(
    folder: Path,
    count: int,
    *,
    kind: str = "smpl",
    split: str = "test",
    shards: int = 2,
    extra: Mapping[int, Mapping[str, np.ndarray]] | None = None,
    drop: tuple[str, ...] = (),
    meta: Mapping[str, Any] | None = None,
    source: str = "free",
    seed: int = 0,
) -> Path:
    """Write `count` people with noise pictures -> the shard folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tables, bounds = [], np.linspace(0, count, shards + 1).astype(int)
    for number in range(shards):
        writer = ShardWriter(folder, number, int(bounds[number]))
        writer.body_source = source
        for index in range(bounds[number], bounds[number + 1]):
            arrays = {**common_arrays(), **parameters(kind, seed + index)}
            arrays = {k: v for k, v in arrays.items() if not k.startswith(drop)} if drop else arrays
            arrays.update((extra or {}).get(int(index), {}))
            record = encode_record(arrays, {"image_size_px": [IMAGE_PX, IMAGE_PX], **(meta or {})})
            writer.add(f"person-{index:04}", "jpg", picture(seed + index), record, list(arrays))
        tables.append(writer.close(int(bounds[number + 1])))
    about = {"dataset": "synthetic", "split": split, "body": kind, "licence": "free"}
    write_index(folder, tables, about)
    return folder


def common_arrays() -> dict[str, np.ndarray]:
    """-> box and affine of a person who fills the picture."""
    return {
        "box.center": np.array([IMAGE_PX / 2, IMAGE_PX / 2], np.float32),
        "box.size": np.array([IMAGE_PX * 0.9], np.float32),
        "image.affine": np.array([[1, 0, 0], [0, 1, 0]], np.float32),
    }


def picture(seed: int) -> bytes:
    """-> a JPEG of coloured noise, different for each seed."""
    noise = np.random.RandomState(seed).randint(0, 255, (12, 12, 3), np.uint8)
    large = cv2.resize(noise, (IMAGE_PX, IMAGE_PX), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", large)[1].tobytes()


def tiny_checkpoint(path: Path, seed: int = 0) -> Path:
    """-> an untrained tiny HMR, saved as training saves it."""
    torch.manual_seed(seed)
    module, spec, options = build_model("hmr", preset="tiny")
    with torch.no_grad():  # untrained heads say nearly the same about every picture
        for parameter in module.regressor.parameters():
            parameter.mul_(5.0)
    body = load_body("smpl", source="free")
    info = CheckpointInfo(
        model=spec.name, options=options, input_size=(64, 64), body=body.describe()
    )
    save(path, module, info)
    return path


def tiny_model(folder: Path, seed: int = 0) -> LoadedModel:
    """-> the same, loaded."""
    return load_model(tiny_checkpoint(folder / "tiny.safetensors", seed))


class Oracle(torch.nn.Module):
    """Says the true parameters of people whose number is the mean of their crop; for tests."""

    def __init__(self, kind: str, turn: float = 0.0) -> None:
        super().__init__()
        self.kind, self.turn = kind, turn
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.answers: list[dict[str, np.ndarray]] = []

    def forward(self, image: torch.Tensor) -> Prediction:
        """image (B,3,H,W) -> the next B answers."""
        chosen, self.answers = self.answers[: len(image)], self.answers[len(image) :]
        flat = {
            name.partition(".")[2]: torch.tensor(np.stack([answer[name] for answer in chosen]))
            for name in chosen[0]
        }
        camera = torch.tensor([[1.0, 0.0, 0.0]]).repeat(len(image), 1)
        return Prediction(camera=camera, parameters=matrices(flat))


def oracle_model(kind: str, answers: list[dict[str, np.ndarray]]) -> LoadedModel:
    """-> a model that gives these answers in turn."""
    module = Oracle(kind)
    module.answers = list(answers)
    body = load_body(kind, source="free")
    spec = ModelSpec(
        name="oracle",
        build="tests.run.people:Oracle",
        summary="knows the truth",
        body=kind,
        input_size=(32, 32),
        licence="Apache-2.0",
        outputs=("camera", "parameters"),
    )
    info = CheckpointInfo(model="oracle", options={}, input_size=(32, 32), body=body.describe())
    return LoadedModel(
        module=module,
        spec=spec,
        options={},
        input_size=(32, 32),
        body=body,
        info=info,
        sha256="",
        name="oracle",
    )
