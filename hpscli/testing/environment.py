"""What this machine offers: one finding per thing that people trip over."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from hpscli.registry import get_registry

PACKAGES = (
    *("torch", "torchvision", "timm", "typer", "rich", "pydantic", "pluggy", "numpy"),
    *("opencv-python-headless", "webdataset", "accelerate", "safetensors", "smplx"),
)
EXTRAS = {"onnx": "onnxruntime", "s3": "s3fs", "tensorboard": "tensorboard"}
SHARED_MEMORY_NEEDED = 512 * 2**20  # 8 workers with two batches of 64 crops of 224 px, and room
DISK_NEEDED = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, whether it is well, and what to do if not."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def examine(*, quick: bool = False) -> list[Finding]:
    """-> every finding; `quick` leaves out what needs torch."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _packages,
        _memory,
        _disk,
        _plugins,
        _assets,
        _checkpoints,
        _extras,
    ]
    if not quick:
        checks += [_devices, _renderer]
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check())
        except Exception as error:  # a report must not die of what it reports
            name = check.__name__.removeprefix("_")
            findings.append(Finding(name, False, f"{type(error).__name__}: {error}"))
    return findings


def _python() -> Iterator[Finding]:
    yield Finding(
        "python",
        (3, 11) <= sys.version_info[:2] <= (3, 13),
        f"{platform.python_version()}  {platform.system()} {platform.machine()}",
        "" if sys.version_info[:2] <= (3, 13) else "hps is tested on Python 3.11 to 3.13",
    )


def _packages() -> Iterator[Finding]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    fix = f"pip install {' '.join(missing)}" if missing else ""
    yield Finding("packages", not missing, "  ".join(found), fix)
    if both := _distribution("opencv-python"):
        yield Finding(
            "opencv",
            False,
            f"opencv-python {both} is installed beside the headless wheel",
            "pip uninstall opencv-python opencv-python-headless; pip install opencv-python-headless",
        )


def _distribution(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _memory() -> Iterator[Finding]:
    shared = Path("/dev/shm")
    if shared.is_dir():
        free = shutil.disk_usage(shared).total
        yield Finding(
            "shared memory",
            free >= SHARED_MEMORY_NEEDED,
            f"{free / 2**20:.0f} MB",
            ""
            if free >= SHARED_MEMORY_NEEDED
            else "data workers need more: docker run --shm-size=8g, or data.workers=0",
        )
    yield Finding(
        "processors",
        True,
        f"{len(os.sched_getaffinity(0))} usable"
        if hasattr(os, "sched_getaffinity")
        else str(os.cpu_count()),
    )


def _disk() -> Iterator[Finding]:
    for name, folder in (("disk here", Path.cwd()), ("disk temp", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        yield Finding(name, free >= DISK_NEEDED, f"{free / 2**30:.1f} GB free at {folder}")


def _plugins() -> Iterator[Finding]:
    registry = get_registry()
    problems = registry.problems()
    counts = ", ".join(
        f"{len(registry.names(kind))} {kind}s" for kind in ("model", "dataset", "protocol")
    )
    yield Finding("plugins", not problems, counts, "\n".join(problems))


def _assets() -> Iterator[Finding]:
    from hpscli.body.assets.files import asset_folder

    folder = asset_folder()
    present = sorted(path.stem for path in folder.glob("*.safetensors"))
    found = " ".join(present) if present else "free bodies only (nothing licensed is imported)"
    yield Finding("body models", True, f"{found}   {folder}")


def _checkpoints() -> Iterator[Finding]:
    from hpscli.nn.weights.store import model_folder, stored

    entries = stored()
    damaged = [entry.name for entry in entries if not entry.about]
    names = " ".join(entry.name for entry in entries) or "none imported"
    fix = f"hps models verify {' '.join(damaged)}" if damaged else ""
    yield Finding("checkpoints", not damaged, f"{names}   {model_folder()}", fix)


def _extras() -> Iterator[Finding]:
    states = [f"{name} {'yes' if find_spec(module) else 'no'}" for name, module in EXTRAS.items()]
    absent = [name for name, module in EXTRAS.items() if not find_spec(module)]
    hint = f"   for the rest: pip install 'hps[{','.join(absent)}]'" if absent else ""
    yield Finding("extras", True, "  ".join(states) + hint)


def _devices() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            bf16 = "yes" if torch.cuda.is_bf16_supported() else "no"
            found = f"{card.name}  {card.total_memory / 2**30:.0f} GB  bf16 {bf16}"
            yield Finding(f"gpu {index}", True, found)
    else:
        threads = torch.get_num_threads()
        yield Finding("gpu", True, f"none; torch {torch.__version__} runs on {threads} threads")


def _renderer() -> Iterator[Finding]:
    import numpy as np

    from hpscli.render.raster import rasterize

    corners = np.array([[1.0, 1, 1], [7, 1, 1], [1, 7, 1]])
    drawn = rasterize(corners, np.array([[0, 1, 2]]), 8, 8)
    yield Finding(
        "renderer",
        bool((drawn.face == 0).any()),
        "software z-buffer (no OpenGL, display or GPU needed)",
    )
