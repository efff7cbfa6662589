"""Plugins: found, named when broken, disabled; names that collide or nearly match."""

import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hpscli.errors import MissingError, UsageError
from hpscli.registry import Registry, discover, get_registry, resolve

MODEL = """
from hpscli.hooks import ModelSpec, hookimpl

@hookimpl
def hps_models():
    return [
        ModelSpec(
            name="{name}", build="{module}:build", summary="A test model.", body="{body}",
            input_size={size}, licence="CC0-1.0", outputs=("camera",), {more}
        )
    ]
"""


def write_plugin(
    path: Path,
    name: str = "stick",
    *,
    body: str = "smpl",
    size: str = "(64, 64)",
    more: str = "",
    module: str = "",
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    module = module or path.stem
    text = MODEL.format(name=name, body=body, size=size, more=more, module=module)
    path.write_text(text, encoding="utf-8")
    return path


def from_files(*files: Path, disabled: tuple[str, ...] = ()) -> Registry:
    return discover([], files, disabled)


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch):
    """Every test imports its own files: neither modules nor search paths stay behind."""
    import sys

    modules, paths = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = paths
    get_registry.cache_clear()


def test_a_development_file_registers_its_model(tmp_path: Path) -> None:
    registry = from_files(write_plugin(tmp_path / "plugin_one.py"))
    assert registry.model("stick").body == "smpl"
    assert registry.origin("model", "stick") == str(tmp_path / "plugin_one.py")
    assert registry.problems() == []


def test_a_plugin_file_inside_a_package_is_imported_as_part_of_it(tmp_path: Path) -> None:
    package = tmp_path / "hps_stick"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "network.py").write_text("def build(): return 'built'\n")
    write_plugin(package / "plugin.py", module="hps_stick.network")
    registry = from_files(package / "plugin.py")
    assert [p.name for p in registry.plugins] == ["hps_stick"]
    assert resolve(registry.model("stick").build)() == "built"


def test_several_files_in_the_environment_are_all_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write_plugin(tmp_path / f"plugin_{n}.py", f"stick{n}") for n in (1, 2)]
    monkeypatch.setenv("HPS_PLUGINS", os.pathsep.join(str(f) for f in files))
    get_registry.cache_clear()
    assert {"stick1", "stick2"} <= set(get_registry().names("model"))


def test_two_files_of_the_same_module_name_are_told_apart(tmp_path: Path) -> None:
    first = write_plugin(tmp_path / "a" / "plugin.py", "one")
    second = write_plugin(tmp_path / "b" / "plugin.py", "two")
    registry = from_files(first, second)
    assert registry.names("model") == ["one"]
    assert "is already" in registry.problems()[0]
    assert "'b'" in registry.problems()[0]


def test_a_broken_import_is_named_and_the_rest_works(tmp_path: Path) -> None:
    broken = tmp_path / "broken_plugin.py"
    broken.write_text("import a_module_that_nobody_has\n")
    registry = from_files(broken, write_plugin(tmp_path / "good_plugin.py"))
    assert registry.names("model") == ["stick"]
    assert "broken_plugin" in registry.problems()[0]
    assert "a_module_that_nobody_has" in registry.problems()[0]


@pytest.mark.parametrize("statement", ["raise SystemExit(3)", "1 / 0", "def f(:"])
def test_a_plugin_may_fail_in_any_way_while_imported(tmp_path: Path, statement: str) -> None:
    (tmp_path / "bad.py").write_text(statement + "\n")
    registry = from_files(tmp_path / "bad.py", write_plugin(tmp_path / "good.py"))
    assert registry.names("model") == ["stick"]
    assert len(registry.problems()) == 1


def test_a_missing_development_file_is_named(tmp_path: Path) -> None:
    registry = from_files(tmp_path / "nowhere.py")
    assert "nowhere.py" in registry.problems()[0]


def test_an_entry_point_that_cannot_be_loaded_is_named() -> None:
    point = EntryPoint(name="gone", value="package_that_is_gone.plugin", group="hps")
    registry = discover([point], [], [])
    assert "package_that_is_gone" in registry.problems()[0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"body": "horse"}, "body = 'horse'"),
        ({"size": "(64,)"}, "input_size"),
        ({"size": "64"}, "input_size"),
        ({"name": "two words"}, "the name must be a word"),
        ({"name": "a.b"}, "must not contain '.'"),
        ({"more": "presets={'big': {'depth': 9}}"}, "'depth'"),
        ({"more": "raw='not a target'"}, "raw"),
        ({"more": "losses=None"}, "losses"),
    ],
)
def test_a_nonsense_record_is_named(
    tmp_path: Path, changes: dict[str, str], complaint: str
) -> None:
    registry = from_files(write_plugin(tmp_path / "odd.py", **changes))
    assert registry.names("model") == []
    assert complaint in registry.problems()[0]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("None", "returned NoneType, not a list"),
        ("['stick']", "returned a str, not a ModelSpec"),
        ("1 / 0", "raised ZeroDivisionError"),
    ],
)
def test_a_hook_that_answers_nonsense_is_named(tmp_path: Path, answer: str, complaint: str) -> None:
    (tmp_path / "odd.py").write_text(
        f"from hpscli.hooks import hookimpl\n@hookimpl\ndef hps_models():\n    return {answer}\n"
    )
    assert complaint in from_files(tmp_path / "odd.py").problems()[0]


def test_a_hook_of_an_unknown_name_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from hpscli.hooks import hookimpl\n@hookimpl\ndef hps_modells():\n    return []\n"
    )
    assert "hps_modells" in from_files(tmp_path / "odd.py").problems()[0]


def test_a_plugin_without_hooks_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "registers nothing" in from_files(tmp_path / "empty.py").problems()[0]


def test_two_models_of_one_name_are_an_error_that_names_both_owners(tmp_path: Path) -> None:
    registry = from_files(
        write_plugin(tmp_path / "first_owner.py"), write_plugin(tmp_path / "second_owner.py")
    )
    with pytest.raises(UsageError, match="first_owner.*second_owner") as error:
        registry.model("stick")
    assert "HPS_DISABLE=second_owner" in error.value.fix
    assert len(registry.problems()) == 1


def test_disabling_one_owner_settles_a_collision(tmp_path: Path) -> None:
    files = [write_plugin(tmp_path / f"{n}.py") for n in ("first_owner", "second_owner")]
    registry = from_files(*files, disabled=("second_owner",))
    assert registry.model("stick").name == "stick"
    assert registry.problems() == []


def test_a_disabled_package_file_is_known_by_the_name_of_its_package(tmp_path: Path) -> None:
    package = tmp_path / "hps_stick"
    write_plugin(package / "plugin.py", module="hps_stick.network")
    (package / "__init__.py").touch()
    assert from_files(package / "plugin.py", disabled=("hps_stick",)).plugins == []


def test_first_party_plugins_can_be_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPS_DISABLE", "hmr")
    get_registry.cache_clear()
    assert "hmr" not in get_registry().names("model")


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    registry = from_files(write_plugin(tmp_path / "near.py", "graphormer"))
    with pytest.raises(UsageError, match="Did you mean 'graphormer'"):
        registry.model("graphomer")


def test_a_far_miss_says_where_to_look(tmp_path: Path) -> None:
    registry = from_files(write_plugin(tmp_path / "far.py", "graphormer"))
    with pytest.raises(UsageError, match="hps models list"):
        registry.model("zzz")


def test_a_target_that_cannot_be_imported_is_missing() -> None:
    with pytest.raises(MissingError, match="cannot load 'nowhere_at_all:build'"):
        resolve("nowhere_at_all:build")


def test_a_target_without_a_function_is_refused() -> None:
    with pytest.raises(UsageError, match="package.module:function"):
        resolve("os.path")


@pytest.mark.parametrize("place", ["plugin.py", "hps_stick/plugin.py", "src/hps_stick/plugin.py"])
def test_a_folder_with_one_plugin_file_stands_for_that_file(tmp_path: Path, place: str) -> None:
    file = tmp_path / "checkout" / place
    write_plugin(file)
    if place != "plugin.py":
        (file.parent / "__init__.py").touch()
    registry = from_files(tmp_path / "checkout")
    assert registry.problems() == [] and registry.origin("model", "stick") == str(file)


def test_a_folder_without_one_plugin_file_is_told_what_to_name(tmp_path: Path) -> None:
    assert "no plugin.py" in from_files(tmp_path).problems()[0]
    files = [write_plugin(tmp_path / name / "plugin.py", name) for name in ("one", "two")]
    (problem,) = from_files(tmp_path).problems()
    assert f"Name a file: {files[0]} or {files[1]}" in problem


def test_a_name_that_is_not_found_says_which_plugin_is_broken(tmp_path: Path) -> None:
    (tmp_path / "hps_bad.py").write_text("1 / 0\n")
    good = write_plugin(tmp_path / "hps_good.py")
    with pytest.raises(UsageError) as error:
        from_files(tmp_path / "hps_bad.py", good).model("stack")
    assert "Did you mean 'stick'?" in error.value.fix
    assert "'hps_bad' is broken" in error.value.fix and "hps plugins list" in error.value.fix
    with pytest.raises(UsageError) as error:
        from_files(good).model("stack")
    assert "broken" not in str(error.value)


@pytest.mark.parametrize("mistake", ["import nobody_has_this", "1 / 0", "def f(:"])
def test_a_mistake_in_a_target_is_shown_with_file_line_and_the_check_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    package = tmp_path / "hps_stick"
    write_plugin(package / "plugin.py", module="hps_stick.network")
    (package / "__init__.py").touch()
    (package / "network.py").write_text(f"\n\n{mistake}\n")
    monkeypatch.setenv("HPS_PLUGINS", str(package))
    get_registry.cache_clear()
    with pytest.raises(MissingError) as error:
        resolve(get_registry().model("stick").build)
    assert f"({package / 'network.py'}, line 3)" in error.value.problem
    assert error.value.fix == "hps plugins check hps_stick"
