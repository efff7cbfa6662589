"""Conformance of a model plugin: what training, evaluation and export rely on."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.errors import HpsError
from hpscli.hooks import ModelSpec
from hpscli.records import Prediction
from hpscli.registry import get_registry, resolve
from hpscli.testing.conformance.checks import Check, Checks, option_complaint
from hpscli.testing.conformance.layouts import check_layouts
from hpscli.testing.conformance.predictions import output_complaint, unit_complaint

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hpscli.records import Batch

SEED = 3
BATCH_TOLERANCE = 1e-4  # of the largest number: kernels of other batch sizes round differently


def check_model(
    model: str | ModelSpec,
    *,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    onnx: bool = False,
) -> list[Check]:
    """A model, by name or as its record -> what holds of it and what does not, on the CPU.

    onnx: also export it and compare in onnxruntime; not every network can be exported.
    """
    spec = get_registry().model(model) if isinstance(model, str) else model
    checks = Checks(f"model {spec.name}" + (f".{preset}" if preset else ""))
    checks.add("licence", _unlicensed(spec), spec.licence)
    taken = {**spec.defaults, **({"kit": None} if spec.takes_kit else {})}
    checks.run("options", lambda: (option_complaint(spec.build, taken, 0), ""))
    checks.run("functions", lambda: _functions(spec))
    check_layouts(checks, spec, [preset] if preset else ())
    spec = _adapted(spec, preset, options)
    built: list[nn.Module] = []

    def build() -> tuple[str, str]:
        built.append(_build(spec, preset, options))
        count = sum(parameter.numel() for parameter in built[0].parameters())
        return "" if count else "the network has no parameters", f"{count / 1e6:.2f} M parameters"

    if checks.run("builds", build):
        _check_network(checks, spec, built[0], preset, options)
        if onnx:
            checks.run("onnx", lambda: _onnx(built[0], spec))
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
    from hpscli.nn.counting.flops import measure

    macs = measure(module, spec.input_size).macs
    return ("" if macs else "no multiply-adds were counted", f"{macs / 1e9:.3f} GMAC")


def _onnx(module: "nn.Module", spec: ModelSpec) -> tuple[str, str]:
    from hpscli.export.graph import Graph, example_image
    from hpscli.export.onnx import check_onnx, write_onnx

    graph = Graph(module.eval(), example_image(spec.input_size, 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(path, graph, spec.input_size, {}, dynamic_batch=False)
        found = check_onnx(path, graph, spec.input_size, dynamic_batch=False)
    worst = max(found, key=lambda difference: difference.worst)
    says = f"largest difference {worst.worst:.1e} ({worst.output})"
    return ("" if all(difference.ok for difference in found) else says, says)


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


def _adapted(spec: ModelSpec, preset: str, options: Mapping[str, Any] | None) -> ModelSpec:
    """-> the record at these options; where they are wrong, building says so."""
    from hpscli.nn.options import adapted, complete_options

    try:
        return adapted(spec, complete_options(spec, preset, options or {}))
    except HpsError:
        return spec


def _images(spec: ModelSpec, count: int) -> "Tensor":
    import torch

    random = torch.Generator().manual_seed(SEED)
    return torch.randn(count, 3, *spec.input_size, generator=random)


def _build(
    spec: ModelSpec, preset: str, options: Mapping[str, Any] | None, seed: int = SEED
) -> "nn.Module":
    import torch

    from hpscli.body.kit import body_kit
    from hpscli.nn.counting.flops import preset_options

    torch.manual_seed(seed)
    complete = {**spec.defaults, **preset_options(spec, preset), **(options or {})}
    if spec.takes_kit:
        complete["kit"] = body_kit(spec.body, "free")
    return resolve(spec.build)(**complete)  # type: ignore[no-any-return]


def _functions(spec: ModelSpec) -> tuple[str, str]:
    """Whatever the record names can be imported."""
    layouts = [target for layout in spec.layouts for target in (layout.guess, layout.rows)]
    crop = "" if spec.crop == ModelSpec.crop else spec.crop
    named = (spec.build, spec.losses, spec.adapt, spec.raw, crop, *layouts)
    for target in filter(None, named):
        resolve(target)
    return "", ""


def _unlicensed(spec: ModelSpec) -> str:
    if not spec.licence.strip():
        return "the licence of the code is not stated"
    bare = [weights.tag for weights in spec.weights if not weights.licence.strip()]
    return f"the licence of weights '{bare[0]}' is not stated" if bare else ""
