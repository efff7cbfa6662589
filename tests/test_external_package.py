"""A plugin package as a stranger would make it: written, built, installed elsewhere, used."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from hpscli.testing.scaffold import write_package

pytestmark = pytest.mark.slow


def run(command: list[str | Path], folder: Path, **variables: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a new model package, built without a network."""
    folder, _ = write_package("model", "stick", tmp_path_factory.mktemp("package") / "hps-stick")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation"], folder)
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with that wheel; torch and hps (3 GB) are lent to it from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    site = Path(
        run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
        ).strip()
    )
    run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], folder)
    ours = sysconfig.get_path("purelib")
    (site / "lent.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return python


def test_an_installed_plugin_is_listed_with_its_version(python: Path, tmp_path: Path) -> None:
    shown = json.loads(run([python, "-m", "hpscli", "models", "list", "stick", "--json"], tmp_path))
    assert [model["origin"] for model in shown["models"]] == ["hps-stick 0.1.0"]


def test_an_installed_plugin_passes_the_conformance_kit(python: Path, tmp_path: Path) -> None:
    shown = json.loads(
        run([python, "-m", "hpscli", "plugins", "check", "stick", "--json"], tmp_path)
    )
    assert shown["ok"]


def test_an_installed_plugin_trains_is_measured_and_exported(python: Path, tmp_path: Path) -> None:
    hps = [python, "-m", "hpscli"]
    for split, count in (("train", 32), ("validation", 8), ("test", 8)):
        run([*hps, "prepare", "synthetic", "--split", split, "--count", str(count)], tmp_path)
    run(
        [*hps, "train", "recipes/tiny.toml", "model.name=stick", "--out", "run", "--device", "cpu"]
        + ["train.epochs=1", "train.epoch_samples=64", "optim.batch=16", "data.workers=0"]
        + ["train.overlays=0"],
        tmp_path,
    )
    measured = json.loads(
        run([*hps, "eval", "run", "--testset", "synthetic", "--device", "cpu", "--json"], tmp_path)
    )
    assert "stick" in json.dumps(measured)
    run(
        [*hps, "export", "run", "--format", "exported-program", "--out", "x.pt2", "--check"],
        tmp_path,
    )
    assert (tmp_path / "x.pt2").stat().st_size > 100_000
