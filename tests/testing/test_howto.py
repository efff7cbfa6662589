"""The worked examples of the how-to pages, taken out of the pages and run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hpscli.registry import discover, get_registry
from hpscli.testing import check_dataset, check_model, check_protocol, check_writer, require
from hpscli.testing.goldens import ReplayOptions, fill
from hpscli.testing.selfcheck import replay

HOWTO = Path(__file__).parents[2] / "docs" / "howto"


def blocks(page: str, language: str) -> list[str]:
    text = (HOWTO / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def write_package(page: str, folder: Path) -> Path:
    """Write every block that starts with its file name -> the plugin file."""
    for block in (*blocks(page, "python"), *blocks(page, "toml")):
        found = re.match(r'(?:"""|# )(\S+\.(?:py|toml))', block)
        if found:
            path = folder / found[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
    plugin = next(folder.glob("hps_*/plugin.py"))
    plugin.with_name("__init__.py").touch()
    return plugin


@pytest.fixture
def clean_imports():
    modules, paths = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if name.split(".")[0] in ("hps_anytimm", "hps_spinfile", "hps_ramp", "hps_reach"):
            del sys.modules[name]
    get_registry.cache_clear()


def write_originals(folder: Path) -> Path:
    """Three people per split in the layout that the page describes."""
    import cv2

    random = np.random.RandomState(0)
    (folder / "images").mkdir(parents=True)
    for split in ("train", "test"):
        names = [f"images/{split}{n}.jpg" for n in range(3)]
        for name in names:
            picture = random.randint(0, 255, (90, 120, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / name), picture)
        joints = np.concatenate([random.uniform(20, 80, (3, 24, 2)), np.ones((3, 24, 1))], axis=2)
        np.savez(
            folder / f"{split}.npz",
            imgname=np.array(names),
            center=np.full((3, 2), 50.0),
            scale=np.full(3, 0.4),
            part=joints,
            pose=0.2 * random.standard_normal((3, 72)),
            shape=random.standard_normal((3, 10)),
            has_smpl=np.array([1, 0, 1]),
        )
    return folder


def test_the_model_of_the_page_conforms(tmp_path: Path, clean_imports: None) -> None:
    registry = discover([], [write_package("add-a-model", tmp_path)], [])
    assert registry.problems() == []
    require(check_model(registry.model("anytimm")))


def test_the_data_set_of_the_page_conforms_and_is_short(
    tmp_path: Path, clean_imports: None
) -> None:
    plugin = write_package("add-a-dataset", tmp_path)
    registry = discover([], [plugin], [])
    assert registry.problems() == []
    require(check_dataset(registry.dataset("spinfile"), root=write_originals(tmp_path / "o")))
    assert len(plugin.with_name("people.py").read_text().splitlines()) < 70


def test_the_golden_of_the_page_is_replayed(tmp_path: Path, clean_imports: None) -> None:
    registry = discover([], [write_package("selfcheck", tmp_path)], [])
    assert registry.problems() == []
    folder = tmp_path / "reference"
    (folder / "goldens").mkdir(parents=True)
    (folder / "keys").mkdir()
    keys = {"weight": [[3, 4], "float32", "param"], "bias": [[3], "float32", "param"]}
    (folder / "keys" / "ramp.json").write_text(json.dumps(keys))
    value = np.random.RandomState(0).standard_normal((2, 4)).astype(np.float32)
    output = value @ fill("weight", (3, 4)).T + fill("bias", (3,))
    np.savez(folder / "goldens" / "ramp_layer.npz", output=output)
    spec = registry.get("golden", "ramp/layer")
    assert replay(spec, folder, ReplayOptions()).ok
    assert not replay(spec, folder, ReplayOptions(seed_xor=1)).ok


def test_the_benchmark_of_the_page_conforms(tmp_path: Path, clean_imports: None) -> None:
    registry = discover([], [write_package("add-a-benchmark", tmp_path)], [])
    assert registry.problems() == []
    checks = check_protocol(registry.protocol("synthetic/test@reach-v1"))
    checks += check_writer(registry.get("writer", "reach"))
    require(checks)
    assert all(check.ran for check in checks)
    (said,) = [check.says for check in checks if check.name == "measures"]
    assert float(said.removeprefix("reach ")) < 1e-4  # cm, of a perfect prediction


def run_page(page: str, folder: Path, own: Path, written: Path) -> None:
    """Run every `$ hps ...` line as it stands there; after the first, which writes a package, find
    that package too, as the page says."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    assert lines[0].startswith("$ hps plugins new ")
    for number, line in enumerate(lines):
        assert line.startswith("$ hps ")
        plugins = [own, written] if number else [own]
        hps(line.split()[2:], folder, os.pathsep.join(str(path) for path in plugins))


def hps(words: list[str], folder: Path, plugins: str = "") -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hpscli", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HPS_PLUGINS": plugins},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_the_commands_of_the_model_page_run(tmp_path: Path) -> None:
    own = write_package("add-a-model", tmp_path)
    for split in ("train", "validation"):
        hps(["prepare", "synthetic", "--split", split, "--count", "32"], tmp_path)
    run_page("add-a-model", tmp_path, own, tmp_path / "hps-stick" / "hps_stick" / "plugin.py")
    assert list((tmp_path / "runs").glob("*"))


@pytest.mark.slow
def test_the_commands_of_the_data_set_page_run(tmp_path: Path) -> None:
    own = write_package("add-a-dataset", tmp_path)
    write_originals(tmp_path / "originals")
    written = tmp_path / "hps-stick-set" / "hps_stick_set" / "plugin.py"
    run_page("add-a-dataset", tmp_path, own, written)
    index = json.loads((tmp_path / "shards" / "spinfile" / "train" / "index.json").read_text())
    assert index["samples"] == 3


@pytest.mark.slow
def test_the_commands_of_the_benchmark_page_run(tmp_path: Path) -> None:
    own = write_package("add-a-benchmark", tmp_path)
    lines = [line for block in blocks("add-a-benchmark", "console") for line in block.splitlines()]
    assert len(lines) > 5
    for line in lines:
        assert line.startswith("$ hps ")
        hps(line.split()[2:], tmp_path, str(own))
    assert len((tmp_path / "reach.csv").read_text().splitlines()) == 9
