"""The pages for those who come from another project, or submit: every command of ours is run.

What needs licensed data is run with --dry-run. Where people in pictures are predicted, small models of
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
from hpscli.records import PredictionSet
from hpscli.run.prediction_files import write_predictions
from tests.nn.stick_family import authors_file, installed

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGES = [*sorted(HOWTO.glob("coming-from-*.md")), HOWTO / "submit.md"]
DRY = ("eval", "export-preds", "prepare", "train")
SLOW = ("predict", "flops", "train", "models")
FORMS = {  # what stands for a word in capitals, by command
    "predict": {"IMAGE": "photo.jpg"},
    "prepare": {"NAME": "3dpw", "DIR": "photos"},
    "models": {"FILE": "released.bin"},
    "export-preds": {"NAME": "freihand"},
    "eval": {"NAME": "3dpw", "FILE": "predictions.npz"},
}
WEIGHTS = (".bin", ".pth", ".tar", ".ckpt")
PICTURES = (".jpg", ".png")
FOLDERS = ("photos", "samples/human-body", "samples/hand", "demo/human-body", "demo/hand")
# Commands and flags of their documents that must be answered on the page.
THEIRS = {
    "metro": (
        "run_metro_bodymesh.py run_hand_inference.py end2end_inference_bodymesh.py "
        "end2end_inference_handmesh.py --val_yaml --arch --num_workers --per_gpu_eval_batch_size "
        "--num_hidden_layers --num_attention_heads --input_feat_dim --hidden_feat_dim "
        "--run_eval_only --resume_checkpoint --model_path --multiscale_inference "
        "--image_file_or_path --nproc_per_node"
    ),
    "graphormer": (
        "run_gphmer_bodymesh.py run_hand_multiscale.py run_gphmer_bodymesh_inference.py "
        "run_gphmer_handmesh_inference.py --val_yaml --arch --num_workers "
        "--per_gpu_eval_batch_size --num_hidden_layers --num_attention_heads --input_feat_dim "
        "--hidden_feat_dim --run_eval_only --resume_checkpoint --multiscale_inference "
        "--model_path --image_file_or_path --nproc_per_node --which_gcn --mesh_type"
    ),
    "fastmetro": (
        "run_fastmetro_bodymesh.py run_fastmetro_handmesh.py end2end_inference_bodymesh.py "
        "end2end_inference_handmesh.py --val_yaml --arch --model_name --num_workers "
        "--per_gpu_eval_batch_size --run_evaluation --resume_checkpoint --output_dir "
        "--use_smpl_param_regressor --run_eval_and_visualize --visualize_multi_view "
        "--use_opendr_renderer --image_file_or_path --nproc_per_node"
    ),
    "hmr-benchmarks": (
        "tools/test.py tools/slurm_test.sh tools/dist_test.sh tools/get_flops.py "
        "demo/estimate_smpl.py --work-dir --out --metrics --gpu_collect --tmpdir --cfg-options "
        "--eval-options --launcher --local_rank --device --shape --size-divisor "
        "--single_person_demo --multi_person_demo --det_config --det_checkpoint --det_cat_id "
        "--tracking_config --body_model_dir --input_path --output --show_path --render_choice "
        "--palette --bbox_thr --draw_bbox --smooth_type --speed_up_type --focal_length"
    ),
    "osx": (
        "test.py demo.py slurm_test.sh --gpu --exp_name --test_batch_size --encoder_setting "
        "--decoder_setting --model_type --testset --agora_benchmark --pretrained_model_path "
        "--img_path --output_folder JOB_NAME NUM_GPU TRAIN_OUTPUT_DIR CKPT_ID"
    ),
    "mp2022": (
        "scripts/main.py --cfg configs/baseline_test.yaml TRAINING.PRETRAINED_LIT --fdr "
        "test_pred_joints.csv"
    ),
}


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


@pytest.mark.parametrize(("page", "line"), CASES)
def test_a_line_of_ours_runs(
    page: Path, line: str, here: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    elif words[0] in ("prepare", "train"):  # names and options were accepted; the data are not here
        assert code in (0, 3), said.err
    else:
        assert code == 0, said.err


@pytest.mark.parametrize("name", THEIRS)
def test_every_command_and_flag_of_theirs_is_answered(name: str) -> None:
    text = (HOWTO / f"coming-from-{name}.md").read_text(encoding="utf-8")
    spans = " ".join(re.findall(r"`([^`]+)`", text))
    missing = [word for word in THEIRS[name].split() if word not in spans]
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
