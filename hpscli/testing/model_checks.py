"""Conformance of a model plugin: what training, evaluation and export rely on."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.hooks import ModelSpec
from hpscli.records import Prediction
from hpscli.registry import get_registry, resolve
from hpscli.testing.checks import Check, Checks, option_complaint

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hpscli.records import Batch

SEED = 3
ROTATION_TOLERANCE = 1e-3  # of R R^T = 1; float32 gives 1e-6, half precision inside 1e-3
BATCH_TOLERANCE = 1e-4  # of the largest number: kernels of other batch sizes round differently
LONGEST = 50.0  # metres that an untrained network may draw; millimetres give hundreds


def check_model(
    model: str | ModelSpec, *, preset: str = "", options: Mapping[str, Any] | None = None
) -> list[Check]:
    """A model, by name or as its record -> what holds of it and what does not, on the CPU."""
    spec = get_registry().model(model) if isinstance(model, str) else model
    checks = Checks(f"model {spec.name}" + (f".{preset}" if preset else ""))
    checks.add("licence", _unlicensed(spec), spec.licence)
    checks.run("options", lambda: (option_complaint(spec.build, spec.defaults, 0), ""))
    built: list[nn.Module] = []

    def build() -> tuple[str, str]:
        built.append(_build(spec, preset, options))
        count = sum(parameter.numel() for parameter in built[0].parameters())
        return "" if count else "the network has no parameters", f"{count / 1e6:.2f} M parameters"

    if checks.run("builds", build):
        _check_network(checks, spec, built[0], preset, options)
    return list(checks)


def _check_network(
    checks: Checks,
    spec: ModelSpec,
    module: "nn.Module",
    preset: str,
    options: Mapping[str, Any] | None,
) -> None:
    """Everything that needs a network that was built."""
    import torch

    images = _images(spec, 2)
    module.eval()
    outputs: list[Prediction] = []

    def forward() -> tuple[str, str]:
        with torch.no_grad():
            found = module(images)
        if not isinstance(found, Prediction):
            return f"forward returned {type(found).__name__}, not hpscli.records.Prediction", ""
        outputs.append(found)
        return output_complaint(spec, found, len(images)), " ".join(found.named_tensors())

    checks.run("outputs", forward)
    if not outputs:
        return
    checks.run("units", lambda: (unit_complaint(spec, outputs[0]), ""))
    checks.run("one by one", lambda: _one_by_one(module, images, outputs[0]))
    checks.run("determinism", lambda: _determinism(spec, module, images, preset, options))
    checks.run("save and load", lambda: _round_trip(spec, module, images, preset, options))
    checks.run("bf16", lambda: _half(module, images))
    checks.run("flops", lambda: _flops(module, spec))
    checks.run("backward", lambda: _backward(spec, module, images))


def output_complaint(spec: ModelSpec, prediction: Prediction, batch: int) -> str:
    """-> how a prediction differs from what its model declares."""
    import torch

    given = {"camera"}
    given |= {"vertices"} if prediction.vertices is not None else set()
    given |= {n for n in ("joints", "parameters", "levels") if getattr(prediction, n)}
    if missing := [name for name in spec.outputs if name not in given]:
        return f"declares {missing[0]}, but does not give it"
    if extra := sorted(given - set(spec.outputs)):
        return f"gives {extra[0]}, but does not declare it"
    for name, tensor in prediction.named_tensors().items():
        if not name.startswith("extras.") and len(tensor) != batch:
            return f"{name} has {len(tensor)} rows for {batch} images"
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return f"{name} has numbers that are not finite"
    return shape_complaint(spec, prediction)


def shape_complaint(spec: ModelSpec, prediction: Prediction) -> str:
    """-> the first tensor whose shape is not that of the records."""
    from hpscli.body.joints import joint_set
    from hpscli.body.layer import COEFFICIENTS, PARAMETERS, load_body

    if prediction.camera.shape[1:] != (3,):
        return f"camera is {tuple(prediction.camera.shape)}, not (B,3)"
    for name, points in prediction.joints.items():
        if points.shape[1:] != (len(joint_set(name).joints), 3):
            return (
                f"joints.{name} is {tuple(points.shape)}, not (B,{len(joint_set(name).joints)},3)"
            )
    for name, value in prediction.parameters.items():
        count = PARAMETERS[spec.body].get(name)
        wanted = () if count is None else (3, 3) if count == 1 else (count, 3, 3)
        if wanted and value.shape[1:] != wanted:
            return f"parameters.{name} is {tuple(value.shape)}, not (B,{str(wanted)[1:-1]})"
    for name, size in COEFFICIENTS[spec.body].items():
        if name in prediction.parameters and prediction.parameters[name].shape[1:] != (size,):
            given = tuple(prediction.parameters[name].shape)
            return f"parameters.{name} is {given}, not (B,{size})"
    needed = (*PARAMETERS[spec.body], *COEFFICIENTS[spec.body])
    lacking = [name for name in needed if name not in prediction.parameters]
    if prediction.parameters and lacking:
        return f"parameters lack {lacking[0]}, which {spec.body} needs"
    if prediction.vertices is not None:
        vertices = len(load_body(spec.body, source="free").get_buffer("v_template"))
        if prediction.vertices.shape[1:] != (vertices, 3):
            return f"vertices is {tuple(prediction.vertices.shape)}, not (B,{vertices},3)"
    return ""


def unit_complaint(spec: ModelSpec, prediction: Prediction) -> str:
    """-> rotations that are none, lengths that cannot be metres."""
    import torch

    from hpscli.body.layer import PARAMETERS

    for name in PARAMETERS[spec.body]:
        if name in prediction.parameters:
            rotation = prediction.parameters[name].double()
            error = (rotation @ rotation.mT - torch.eye(3, dtype=torch.float64)).abs().max()
            if error > ROTATION_TOLERANCE or (torch.linalg.det(rotation) < 0).any():
                return f"parameters.{name} are no rotation matrices (R R^T is off by {error:.2g})"
    lengths = dict(prediction.joints)
    if prediction.vertices is not None:
        lengths["vertices"] = prediction.vertices
    for name, points in lengths.items():
        extent = float((points.amax(dim=1) - points.amin(dim=1)).max())
        if extent > LONGEST:
            return f"{name} spans {extent:.0f} m; is it in millimetres?"
    return ""


def _one_by_one(module: "nn.Module", images: "Tensor", together: Prediction) -> tuple[str, str]:
    """A batch of two is two batches of one."""
    import torch

    worst, where = 0.0, ""
    with torch.no_grad():
        singles = [module(images[i : i + 1]).named_tensors() for i in range(len(images))]
    for name, value in together.named_tensors().items():
        if name.startswith("extras."):
            continue
        scale = max(float(value.abs().max()), 1.0)
        difference = float((value - torch.cat([s[name] for s in singles])).abs().max()) / scale
        if difference >= worst:
            worst, where = difference, name
    says = f"largest difference {worst:.1e} ({where})"
    return (says if worst > BATCH_TOLERANCE else "", says)


def _determinism(
    spec: ModelSpec,
    module: "nn.Module",
    images: "Tensor",
    preset: str,
    options: Mapping[str, Any] | None,
) -> tuple[str, str]:
    """The same picture gives the same numbers, and the same seed the same network."""
    import torch

    with torch.no_grad():
        first, second = (module(images).named_tensors() for _ in range(2))
    for name, value in first.items():
        if not torch.equal(value, second[name]):
            return f"{name} differs between two runs in eval mode", ""
    again = _build(spec, preset, options).state_dict()
    for name, value in module.state_dict().items():
        if not torch.equal(value, again[name]):
            return f"{name} differs between two networks of one seed", ""
    return "", ""


def _round_trip(
    spec: ModelSpec,
    module: "nn.Module",
    images: "Tensor",
    preset: str,
    options: Mapping[str, Any] | None,
) -> tuple[str, str]:
    """Saved and loaded into a network of another seed, it says the same."""
    import torch
    from safetensors.torch import load_file, save_model

    other = _build(spec, preset, options, seed=SEED + 1).eval()
    handle, path = tempfile.mkstemp(suffix=".safetensors")
    os.close(handle)
    try:
        save_model(module, path)
        size = Path(path).stat().st_size
        missing, unexpected = other.load_state_dict(load_file(path), strict=False)
    finally:
        Path(path).unlink()
    tied = set(module.state_dict()) - set(missing)  # save_model stores tied tensors once
    if unexpected or not tied:
        return f"tensors that do not load: {[*missing, *unexpected][:3]}", ""
    with torch.no_grad():
        first, second = module(images).named_tensors(), other(images).named_tensors()
    for name, value in first.items():
        if not torch.equal(value, second[name]):
            return f"{name} differs after loading: something is not in the state dict", ""
    return "", f"{size / 1e6:.1f} MB"


def _half(module: "nn.Module", images: "Tensor") -> tuple[str, str]:
    import torch

    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        tensors = module(images).named_tensors()
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            return f"{name} is not finite under bf16", ""
    return "", ""


def _flops(module: "nn.Module", spec: ModelSpec) -> tuple[str, str]:
    from hpscli.nn.flops import measure

    macs = measure(module, spec.input_size).macs
    return ("" if macs else "no multiply-adds were counted", f"{macs / 1e9:.3f} GMAC")


def _backward(spec: ModelSpec, module: "nn.Module", images: "Tensor") -> tuple[str, str]:
    """The losses reach the network, in training mode, with a target for everything it is told."""
    import torch

    from hpscli.body.layer import load_body

    body = load_body(spec.body, source="free")
    module.train()
    torch.manual_seed(SEED)
    prediction = module(images)
    losses = resolve(spec.losses)
    if spec.losses == ModelSpec.losses:
        names = ["keypoints2d", "keypoints3d", "pose", "betas"]
        terms = losses(prediction, _batch(spec, images), body, names)
    else:  # a model's own losses want what only its recipe knows: reach everything it says
        terms = {
            name: value.square().mean()
            for name, value in prediction.named_tensors().items()
            if value.requires_grad
        }
    if not terms:
        return "nothing that the network says depends on its parameters", ""
    sum(terms.values()).backward()
    trainable = {n: p for n, p in module.named_parameters() if p.requires_grad}
    reached = [n for n, p in trainable.items() if p.grad is not None]
    for name in reached:
        if not torch.isfinite(trainable[name].grad).all():  # type: ignore[arg-type]
            return f"the gradient of {name} is not finite", ""
    says = f"gradients reach {len(reached)} of {len(trainable)} tensors"
    return ("" if reached else "no parameter gets a gradient", says)


def _batch(spec: ModelSpec, images: "Tensor") -> "Batch":
    """A batch with random but possible targets of the model's body."""
    import torch

    from hpscli.body.joints import joint_set
    from hpscli.body.layer import COEFFICIENTS, PARAMETERS, load_body
    from hpscli.records import Batch

    random = torch.Generator().manual_seed(SEED)
    count = len(images)
    joints = load_body(spec.body, source="free").joint_set
    width = len(joint_set(joints).joints)

    def draw(*shape: int) -> "Tensor":
        return 0.3 * torch.randn(count, *shape, generator=random)

    sure = torch.ones(count, width, 1)
    targets = {
        f"keypoints2d.{joints}": torch.cat([draw(width, 2), sure], dim=2),
        f"keypoints3d.{joints}": torch.cat([draw(width, 3), sure], dim=2),
    }
    for name, size in COEFFICIENTS[spec.body].items():
        targets[f"{spec.body}.{name}"] = draw(size)
    for name, rotations in PARAMETERS[spec.body].items():
        targets[f"{spec.body}.{name}"] = draw(3 * rotations)
    return Batch(
        keys=tuple(f"check-{i}" for i in range(count)),
        image=images,
        targets=targets,
        present={name: torch.ones(count, dtype=torch.bool) for name in targets},
        affine=torch.eye(2, 3).expand(count, 2, 3).clone(),
        flipped=torch.zeros(count, dtype=torch.bool),
    )


def _images(spec: ModelSpec, count: int) -> "Tensor":
    import torch

    random = torch.Generator().manual_seed(SEED)
    return torch.randn(count, 3, *spec.input_size, generator=random)


def _build(
    spec: ModelSpec, preset: str, options: Mapping[str, Any] | None, seed: int = SEED
) -> "nn.Module":
    import torch

    from hpscli.nn.flops import preset_options

    torch.manual_seed(seed)
    complete = {**spec.defaults, **preset_options(spec, preset), **(options or {})}
    return resolve(spec.build)(**complete)  # type: ignore[no-any-return]


def _unlicensed(spec: ModelSpec) -> str:
    if not spec.licence.strip():
        return "the licence of the code is not stated"
    bare = [weights.tag for weights in spec.weights if not weights.licence.strip()]
    return f"the licence of weights '{bare[0]}' is not stated" if bare else ""
