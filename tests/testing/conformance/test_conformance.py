"""The conformance kit: a sound plugin passes, and each thing that can be wrong is named."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hpscli.errors import CheckFailed, UsageError
from hpscli.hooks import DatasetSpec, ModelSpec, Weights
from hpscli.records import Prediction, Sample
from hpscli.testing import check_dataset, check_model, check_plugin, require
from hpscli.testing.conformance.checks import Check, Checks


class Sound(nn.Module):
    """image (B,3,H,W) -> camera and SMPL parameters at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 13)

    def numbers(self, image: Tensor) -> Tensor:
        return self.layer(image.mean(dim=(2, 3)))

    def forward(self, image: Tensor) -> Prediction:
        return self.predict(self.numbers(image))

    def predict(self, numbers: Tensor) -> Prediction:
        rest = torch.eye(3).expand(len(numbers), 24, 3, 3)
        return Prediction(
            camera=numbers[:, :3],
            parameters={
                "global_orient": rest[:, 0],
                "body_pose": rest[:, 1:],
                "betas": numbers[:, 3:],
            },
        )


class MixesPeople(Sound):
    def numbers(self, image: Tensor) -> Tensor:
        return super().numbers(image) - super().numbers(image).mean(dim=0)


class Dices(Sound):
    def numbers(self, image: Tensor) -> Tensor:
        return super().numbers(image) + torch.rand(1)


class Forgets(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.randn(13)  # not a buffer: not saved

    def numbers(self, image: Tensor) -> Tensor:
        return super().numbers(image) + self.hidden


class Stretched(Sound):
    def predict(self, numbers: Tensor) -> Prediction:
        right = super().predict(numbers)
        pose = {"body_pose": 1.1 * right.parameters["body_pose"]}
        return replace(right, parameters={**right.parameters, **pose})


class Millimetres(Sound):
    def predict(self, numbers: Tensor) -> Prediction:
        points = torch.linspace(0, 1700, 24)[:, None].expand(len(numbers), 24, 3)
        return replace(super().predict(numbers), joints={"smpl24": points})


class OverflowsInHalf(Sound):
    def numbers(self, image: Tensor) -> Tensor:
        found = super().numbers(image)
        return found / 0 if found.dtype == torch.bfloat16 else found


class Detached(Sound):
    def numbers(self, image: Tensor) -> Tensor:
        return super().numbers(image).detach()


class WrongWidth(Sound):
    def predict(self, numbers: Tensor) -> Prediction:
        right = super().predict(numbers)
        return replace(right, parameters={**right.parameters, "betas": numbers[:, :4]})


class Says(Sound):
    def forward(self, image: Tensor) -> Prediction:
        return {"camera": self.numbers(image)}  # type: ignore[return-value]


def build(kind: str = "Sound") -> nn.Module:
    return globals()[kind]()


def build_hiding_an_option(kind: str, secret: int = 1) -> nn.Module:
    return build(kind)


def spec_of(kind: str, **changes: object) -> ModelSpec:
    values: dict[str, object] = {
        "name": "stick",
        "build": f"{__name__}:build",
        "summary": "A test model.",
        "body": "smpl",
        "input_size": (16, 16),
        "licence": "CC0-1.0",
        "outputs": ("camera", "parameters"),
        "defaults": {"kind": kind},
    }
    return ModelSpec(**{**values, **changes})  # type: ignore[arg-type]


def failures(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.says for check in checks if not check.ok}


def test_a_sound_model_passes_every_check() -> None:
    checks = check_model(spec_of("Sound"))
    assert failures(checks) == {}
    assert {check.name for check in checks} == {
        *(
            "licence",
            "options",
            "functions",
            "builds",
            "outputs",
            "units",
            "one by one",
            "determinism",
        ),
        *("save and load", "bf16", "flops", "backward"),
    }


@pytest.mark.slow
def test_the_export_to_onnx_is_checked_on_demand() -> None:
    checks = {check.name: check for check in check_model(spec_of("Sound"), onnx=True)}
    assert checks["onnx"].ok and "largest difference" in checks["onnx"].says


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("MixesPeople", "one by one", "largest difference"),
        ("Dices", "determinism", "differs between two runs"),
        ("Forgets", "save and load", "differs after loading"),
        ("Stretched", "units", "no rotation matrices"),
        ("Millimetres", "units", "millimetres"),
        ("OverflowsInHalf", "bf16", "not finite under bf16"),
        ("Detached", "backward", ""),
        ("WrongWidth", "outputs", "betas is (2, 4), not (B,10)"),
        ("Says", "outputs", "returned dict, not hpscli.records.Prediction"),
    ],
)
def test_what_is_wrong_is_named(kind: str, name: str, says: str) -> None:
    outputs = ("camera", "parameters", "joints") if kind == "Millimetres" else None
    spec = spec_of(kind, **({"outputs": outputs} if outputs else {}))
    found = failures(check_model(spec))
    assert says in found[name]


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        ({"outputs": ("camera", "parameters", "vertices")}, "outputs", "declares vertices"),
        ({"outputs": ("camera",)}, "outputs", "gives parameters, but does not declare it"),
        ({"licence": " "}, "licence", "not stated"),
        ({"weights": (Weights(tag="a", licence=""),)}, "licence", "weights 'a'"),
        ({"defaults": {"kind": "Sound", "depth": 3}}, "options", "'depth' is declared"),
        ({"build": f"{__name__}:build_hiding_an_option"}, "options", "takes 'secret'"),
        ({"build": "nowhere_at_all:build"}, "builds", "cannot load"),
        ({"losses": "nowhere_at_all:losses"}, "functions", "nowhere_at_all"),
        ({"raw": f"{__name__}:nobody"}, "functions", "nobody"),
        ({"defaults": {"kind": "Nobody"}}, "builds", "KeyError"),
    ],
)
def test_a_record_that_does_not_tell_the_truth_is_named(
    changes: dict[str, object], name: str, says: str
) -> None:
    assert says in failures(check_model(spec_of("Sound", **changes)))[name]


def test_require_raises_with_a_line_for_each_failure() -> None:
    require([Check("model x", "units", True)])
    with pytest.raises(CheckFailed, match="model x: units: too long"):
        require([Check("model x", "units", False, "too long")])


def test_a_check_that_raises_has_failed_and_the_rest_goes_on() -> None:
    checks = Checks("model x")
    checks.run("bad", lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    checks.run("good", lambda: ("", ""))
    assert [(c.name, c.ok) for c in checks] == [("bad", False), ("good", True)]


def test_an_unknown_name_is_a_usage_error_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'hmr'"):
        check_plugin("hrm")


def read_people(root: Path, split: str, mode: str) -> Iterator[Sample]:
    import cv2

    random = np.random.default_rng(None if mode == "dices" else 0)
    image = cv2.imencode(".png", np.full((60, 80, 3), 99, np.uint8))[1].tobytes()
    for number in range(0 if mode == "empty" else 4):
        keypoints = np.ones((17, 3), np.float32)
        keypoints[:, :2] = random.uniform(10, 50, (17, 2))
        if mode == "metres":
            keypoints[0] = np.nan
        yield Sample(
            key=f"stick-{0 if mode == 'double' else number}",
            image=image,
            arrays={
                "keypoints2d.coco17": keypoints,
                "box.center": np.array([40, 30], np.float32),
                "box.size": np.array([50], np.float32),
                "image.affine": np.eye(2, 3, dtype=np.float32),
            },
            meta={"image_size_px": [60, 80], "dataset": "stick", "split": split},
        )


def dataset_of(mode: str, **changes: object) -> DatasetSpec:
    values: dict[str, object] = {
        "name": "stick",
        "samples": f"{__name__}:read_people",
        "splits": ("train",),
        "summary": "A test data set.",
        "licence": "CC0-1.0",
        "access": "generated",
        "homepage": "https://example.org",
        "options": {"mode": mode},
        "needs_root": False,
    }
    return DatasetSpec(**{**values, **changes})  # type: ignore[arg-type]


def test_a_sound_data_set_passes_every_check() -> None:
    checks = check_dataset(dataset_of("sound"))
    assert failures(checks) == {}
    assert "train: determinism" in {check.name for check in checks}


@pytest.mark.parametrize(
    ("mode", "name", "says"),
    [
        ("metres", "train: schema", "not finite"),
        ("double", "train: keys", "given to two people"),
        ("dices", "train: determinism", "another keypoints2d.coco17"),
        ("empty", "train: reads", "empty"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_named(mode: str, name: str, says: str) -> None:
    assert says in failures(check_dataset(dataset_of(mode)))[name]


def test_without_original_files_the_reading_is_said_not_to_have_run() -> None:
    checks = check_dataset(dataset_of("sound", needs_root=True))
    assert [(c.name, c.ran) for c in checks if "DIR" in c.says] == [("reads", False)]


def test_missing_original_files_are_named(tmp_path: Path) -> None:
    spec = dataset_of("sound", needs_root=True, files={"*.mat": "annotations"})
    assert "*.mat" in failures(check_dataset(spec, root=tmp_path))["files"]
