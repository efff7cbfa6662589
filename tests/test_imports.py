"""Who may import whom: the table of the house, read from the source, not from running it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "hpscli").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))

BASE = {"errors", "atomic", "records", "hooks"}
ALLOWED: dict[str, set[str]] = {
    # package of hpscli: packages of hpscli that it may import
    "errors": set(),
    "atomic": {"errors"},
    "records": {"errors"},
    "hooks": {"errors"},
    "cards": {"errors", "hooks"},
    "plugin_files": {"errors"},
    "registry": {"errors", "hooks", "plugin_files"},
    "mistakes": {"errors"},
    "slurm": {"errors"},
    "launched": {"errors"},
    "recipe": {"errors", "mistakes", "recipe"},
    "body": BASE | {"body"},
    "metrics": BASE | {"body", "metrics", "registry"},
    "render": BASE | {"body", "render"},
    "export": BASE | {"body", "export"},
    "data": BASE | {"body", "data", "recipe", "render", "registry", "cards", "slurm"},
    "nn": BASE | {"body", "nn", "registry", "recipe"},
    "train": BASE
    | {"data", "body", "metrics", "render", "nn", "recipe", "registry", "run", "train"}
    | {"slurm", "launched"},
    "run": BASE
    | {"data", "body", "metrics", "render", "nn", "recipe", "registry", "export", "run"}
    | {"slurm", "launched"},
    "testing": BASE
    | {"data", "body", "metrics", "render", "nn", "recipe", "registry", "export", "run", "train"}
    | {"testing", "cards"},
}
FREE = {"cli", "__init__", "__main__"}  # cli may import everything; the other two only pass on


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "hpscli":
                names = (alias.name for alias in node.names if alias.name != "__version__")
                yield from (f"hpscli.{name}" for name in names)


def package_of(path: Path) -> str:
    part = path.relative_to(ROOT / "hpscli").parts[0]
    return part.removesuffix(".py")


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_core_module_imports_only_what_its_place_in_the_house_allows(path: Path) -> None:
    package = package_of(path)
    for module in imported_modules(path):
        assert not module.startswith(("hps_models", "hps_datasets", "hps_benchmarks")), (
            f"{path.name} names plugin {module}; plugins are reached through the registry"
        )
        if module.startswith("hpscli.") and package not in FREE:
            target = module.split(".")[1]
            assert target != "__init__" and (target in ALLOWED[package]), (
                f"hpscli/{package} must not import hpscli.{target}"
            )


@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_plugin_uses_only_what_third_parties_can_use(path: Path) -> None:
    own = path.relative_to(ROOT / "plugins").parts[:2]
    for module in imported_modules(path):
        parts = module.split(".")
        assert not module.startswith(("hpscli.cli", "hpscli.train.loop")), f"{path}: {module}"
        if parts[0] in ("hps_models", "hps_datasets", "hps_benchmarks"):
            assert tuple(parts[:2]) == (own[0], own[1].removesuffix(".py")), (
                f"{path.name} reaches into another plugin: {module}"
            )


def test_smplx_is_imported_in_one_file_only() -> None:
    users = [
        p for p in CORE + PLUGINS if any(m.split(".")[0] == "smplx" for m in imported_modules(p))
    ]
    assert [p.relative_to(ROOT).as_posix() for p in users] == ["hpscli/body/layer.py"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["models", "list"], ["recipes", "list"], ["doctor", "--quick"]]
)
def test_light_commands_never_import_torch(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom hpscli.cli.app import run\n"
        f"code = run({arguments!r})\n"
        "heavy = {'torch', 'numpy', 'timm', 'cv2', 'webdataset', 'accelerate', 'smplx'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
