"""The pages for those who come from another project, or submit: every command of ours is run.

What needs licensed data is run with --dry-run; of a training it must say how each of its data is made. Where people in pictures are predicted, small models of
ours stand in for the released files.
"""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hpscli.body.layer import load_body
from hpscli.cli.app import load_command, run
from hpscli.nn.checkpoints import build_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo
from hpscli.recipe import Recipe, load_recipe
from hpscli.records import PredictionSet
from hpscli.registry import get_registry
from hpscli.run.prediction_files import write_predictions
from hpscli.train.learning import memory
from hpscli.train.plan import select_as_published, selection
from hpscli.train.recipes.naming import problems
from tests.docs.theirs import THEIRS
from tests.nn.stick_family import authors_file, installed

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGES = [*sorted(HOWTO.glob("coming-from-*.md")), HOWTO / "submit.md"]
DRY = ("eval", "export-preds", "prepare", "train")
SLOW = ("predict", "flops", "models")
FORMS = {  # what stands for a word in capitals, by command
    "predict": {"IMAGE": "photo.jpg"},
    "prepare": {"NAME": "3dpw", "DIR": "photos"},
    "models": {"FILE": "released.bin"},
    "export-preds": {"NAME": "freihand"},
    "eval": {"NAME": "3dpw", "FILE": "predictions.npz"},
    "train": {"RECIPE": "tiny"},
}
WEIGHTS = (".bin", ".pth", ".tar", ".ckpt")
PICTURES = (".jpg", ".png")
FOLDERS = ("photos", "samples/human-body", "samples/hand", "demo/human-body", "demo/hand")
# A recipe of each page, which its settings (`optim.lr=1e-4`) are tried on.
RECIPES = {
    "metro": "metro_h36m",
    "graphormer": "graphormer_h36m",
    "fastmetro": "fastmetro_smpl_h36m",
    "hmr-benchmarks": "hmr/hmr_3dpw",
    "osx": "osx/setting1_l",
    "mp2022": "mp2022",
}
BATCH = ("optim.batch=", "optim.accumulate=", "optim.global_batch=")  # looked at with the GPUs
SETTING = re.compile(r"^\w+(\.\w+)+=")


def lines_of(page: Path) -> list[str]:
    """-> every command of ours on a page, in code spans and consoles."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"`(hps [^`]+)`", text) + re.findall(r"^\$ (hps .+)$", text, re.MULTILINE)
    return list(dict.fromkeys(found))


CASES = [
    pytest.param(
        page,
        line,
        id=f"{page.stem.removeprefix('coming-from-')}: {line[:70]}",
        marks=[pytest.mark.slow] if line.split()[1] in SLOW else [],
    )
    for page in PAGES
    for line in lines_of(page)
    if " " in line.removeprefix("hps ")
]


def stand_in(name: str, folder: Path) -> str:
    """A released file -> a small model of ours that predicts the same body."""
    path = folder / f"{name}.safetensors"
    if path.exists():
        return str(path)
    hand = any(word in path.name for word in ("hand", "freihand"))
    whole = "osx" in path.name or "snapshot" in path.name
    model, preset, kind = (
        ("metro", "hand-tiny", "mano")
        if hand
        else ("osx", "tiny", "smplx")
        if whole
        else ("hmr", "tiny", "smpl")
    )
    module, spec, options = build_model(model, preset=preset, body_source="free")
    info = CheckpointInfo(
        model=model,
        options=options,
        input_size=spec.input_size,
        body=load_body(kind, source="free").describe(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, module, info)
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coming-from")
    picture = np.random.RandomState(0).randint(0, 255, (80, 64, 3)).astype(np.uint8)
    for name in ("photo.jpg", "input.png", *(f"{below}/a.jpg" for below in FOLDERS)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
    person = {"image_id": 1, "category_id": 1, "bbox": [8, 8, 40, 60], "id": 1, "iscrowd": 0}
    whole = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 80}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person"}],
    }
    (folder / "boxes.json").write_text(json.dumps(whole))
    joints = {"joints.smpl24": np.zeros((1, 24, 3), np.float32)}
    body = load_body("smpl", source="free").describe()
    given = PredictionSet(keys=("a",), arrays=joints, body=body)
    write_predictions(folder / "predictions.npz", given)
    torch.save(authors_file(), folder / "released.bin")
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(place)
    before = set(place.rglob("*.zip"))
    yield place
    assert set(place.rglob("*.zip")) == before  # a dry run writes nothing


def recipe_of(words: list[str]) -> Recipe:
    """["train", "metro_h36m", "optim.lr=1e-4", ...] -> the recipe with its changes."""
    return load_recipe(words[1], [word for word in words if SETTING.match(word)])


def needed_by(words: list[str]) -> tuple[list[str], int]:
    """What a dry run of this training must say where nothing is: the command for each of its data;
    and its exit code, 0 where training would make them all."""
    if "--resume" in words:
        return ["a run folder" if words[1] == "--resume" else "has no run in runs/"], 3
    recipe = recipe_of(words)
    if "--as-published" in words:
        recipe = select_as_published(recipe)
    parts = [member for member in recipe.data.mix.values() if member.weight > 0]
    parts += [] if "--no-validate" in words else filter(None, [selection(recipe)])
    parts += [recipe.export] if recipe.export else []
    assert all(part.prepare for part in parts)
    lines = [part.prepare.partition(" --out ")[0] for part in parts]
    datasets = [get_registry().dataset(line.split()[0]) for line in lines]
    commands = [f"hps prepare {line}" for line in lines]
    places = [f" --out {part.shards}" for part in parts]
    return [*commands, *places], 3 if any(dataset.needs_root for dataset in datasets) else 0


@pytest.mark.parametrize(("page", "line"), CASES)
def test_a_line_of_ours_runs(
    page: Path, line: str, here: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {"parameters": 0.0, "megabytes": 0.0}  # seconds for each network; measured below
    monkeypatch.setattr(memory, "measure", lambda recipe: costs)
    words = shlex.split(line)[1:]
    words = [FORMS.get(words[0], {}).get(word, word) for word in words]
    if words[0] == "predict":
        words = [stand_in(word, here) if word.endswith(WEIGHTS) else word for word in words]
        words.append("--force")  # pages share names of folders
    if words[0] in DRY and not {"--check", "list", "--dry-run"} & set(words):
        words.append("--dry-run")
    with installed(monkeypatch) if words[:2] == ["models", "import"] else nullcontext():
        code = run(words)
    said = capsys.readouterr()
    if "--check" in words:  # such a file is not here: one message
        assert code == 3 and "there is no file" in said.err
    elif words[0] == "train":
        needed, expected = needed_by(words)
        assert code == expected
        for part in needed:
            assert part in said.err
        assert "the global batch is" not in said.err  # as many GPUs as the recipe is made for
    elif words[0] == "prepare":  # names and options were accepted; the data are not here
        assert code in (0, 3), said.err
    else:
        assert code == 0, said.err


@pytest.mark.slow
def test_a_dry_run_of_a_training_tells_its_size_too(here: Path, capsys) -> None:
    assert run(["train", "mp2022", "--dry-run"]) == 3
    told = capsys.readouterr().err
    assert "32.86 M parameters" in told
    assert re.search(r"about \d{4,} MB a process", told)


CHANGED = [
    line
    for line in dict.fromkeys(line for page in PAGES for line in lines_of(page))
    if line.startswith("hps train ") and any(SETTING.match(word) for word in line.split())
]


@pytest.mark.parametrize("line", CHANGED)
def test_a_training_that_changes_a_recipe_names_only_what_exists(line: str) -> None:
    words = [word for word in shlex.split(line)[1:] if not word.startswith(BATCH)]
    assert not problems(recipe_of(words))


@pytest.mark.parametrize("name", RECIPES)
def test_settings_of_ours_exist(name: str) -> None:
    """Column two again: what stands together in a cell is right for a recipe of that page."""
    text = (HOWTO / f"coming-from-{name}.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| .+? \| (.*?) \|", text, re.MULTILINE)
    spans = [[span.strip("'") for span in re.findall(r"`([^`]+)`", cell)] for cell in cells]
    settings = [[span for span in found if SETTING.match(span)] for found in spans]
    assert sum(map(len, settings)) > 9
    wrong = {tuple(words): problems(load_recipe(RECIPES[name], words)) for words in settings}
    assert not {words: found for words, found in wrong.items() if found}


def test_the_rule_for_names_of_recipes_is_true() -> None:
    """Examples: `datasets/resnet50_hmr_eft_coco.py`: `hps train hmr/datasets/eft_coco`."""
    text = (HOWTO / "coming-from-hmr-benchmarks.md").read_text(encoding="utf-8")
    examples = re.findall(r"`(\S+\.py)`: `hps train (\S+)", text)
    assert len(examples) > 6
    for config, recipe in examples:
        assert load_recipe(recipe).about.source.endswith(f"configs/{config}")


@pytest.mark.parametrize("name", THEIRS)
def test_every_command_and_flag_of_theirs_is_answered(name: str) -> None:
    text = (HOWTO / f"coming-from-{name}.md").read_text(encoding="utf-8")
    spans = " ".join(re.findall(r"`([^`]+)`", text))
    asked = THEIRS[name].split()
    missing = [
        word for word in asked if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", spans)
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_options_of_ours_exist(page: Path) -> None:
    """Column two of the tables of flags: every `--option` is one of the commands it may be of."""
    known = options_of("eval", "export-preds", "predict", "flops", "train")
    rows = re.findall(r"^\| .+? \| (.*?) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    for cell in rows:
        for span in re.findall(r"`([^`]+)`", cell):
            if span.startswith("hps ") and len(span.split()) > 2:
                continue  # it is run
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span):
                assert option in known, f"{page.name}: {option}"


def options_of(*commands: str) -> set[str]:
    found = set()
    for name in commands:
        for parameter in load_command(name).params:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return found | {"--from"}


@pytest.mark.parametrize("name", ["metro", "graphormer", "fastmetro"])
def test_weights_are_measured_by_their_authors_own_protocol(name: str) -> None:
    text = (HOWTO / f"coming-from-{name}.md").read_text(encoding="utf-8")
    lines = re.findall(r"`hps eval \S+ --testset (\S+) --protocol ([^\s`]+)", text)
    assert {testset.partition("/")[0] for testset, _ in lines} == {"3dpw", "h36m"}
    for testset, family in lines:
        named = testset if "/" in testset else f"{testset}/test"
        assert name in get_registry().protocol(f"{named}@{family}-v1").models


def test_the_weights_of_mpii_are_those_that_the_courses_recipe_starts_from() -> None:
    text = (HOWTO / "coming-from-mp2022.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"MPII's weights.*?`hps train mp2022 model\.backbone=(\S+)`", text)
    backbone = load_recipe("mp2022").model.backbone
    assert backbone is not None and Path(backbone).name == named
