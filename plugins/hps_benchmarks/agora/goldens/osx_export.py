"""Goldens of OSX's export for AGORA: what its pickles hold, number by number."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hps_benchmarks.agora.submission.naming import file_names, picture_stem
from hps_benchmarks.agora.submission.person_checks import check_person
from hps_benchmarks.agora.submission.writer import (
    FOLDER,
    Form,
    parameter_entry,
    with_joints,
    write_people,
)
from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.leaderboard.zips import open_zip
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden

EXACT, PIXELS = 0.0, 1e-3
FORM = Form(track="smplx", osx=True)
DRAWN = {  # in the order in which they are drawn
    "global_orient": 3,
    "body_pose": 63,
    "left_hand_pose": 45,
    "right_hand_pose": 45,
    "jaw_pose": 3,
    "expression": 10,
    "betas": 10,
    "transl": 3,
}
DRAWS_AFTER = 7000  # seed of a sample's predictions, minus its own
JOINTS, CELLS, CROP_PX = 144, (12, 16), (384, 512)  # x, y
FIRST_SEED = {"val": 200, "test": 300}
LARGEST_FILES = 1 << 20
AFFINE = "bb2img_trans"  # crop -> 4K picture


def replay(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """-> names of files, dtypes and shapes of the json, numbers of evaluation.npz."""
    said = json.loads(locate(folder, "goldens/agora_export.json").read_text(encoding="utf-8"))
    golden = read_golden(folder, "goldens/evaluation.npz")
    for split in FIRST_SEED:
        expected = said[split]
        seed = options.get(f"agora_{split}_seed", FIRST_SEED[split])
        # both validation people were written to one file: the second is left
        people = sum(k.startswith(f"agora_{split}_in/") and k.endswith(AFFINE) for k in golden)
        affines = [golden[f"agora_{split}_in/{row}/{AFFINE}"] for row in range(people)]
        stem = picture_stem(expected["files"][0].partition("_personId_")[0])
        kept = list(range(people) if split == "test" else [people - 1])
        names = file_names([stem] * len(kept))
        drawn = [drawn_of(seed + row) for row in range(people)]
        for row in range(people):
            key = f"agora_{split}_in/{row}/smplx_joint_proj"
            yield compare(key, drawn[row]["joints"], golden[key], EXACT)
        entries = [
            (name, entry_of(drawn[row], affines[row]))
            for name, row in zip(names, kept, strict=True)
        ]
        written = through_the_file(entries)
        yield compare(f"{split}/files", list(written) == expected["files"], True, EXACT)
        for file, content in expected["content"].items():
            yield from _checks(split, file, written.get(file, {}), content, golden)
    for words, verdict in said["official_format_checker"].items():
        entry = dict(entries[0][1])
        if not words.startswith("(1,"):
            entry["joints"] = entry["joints"][0]
        refused = any(finding.error for finding in check_person(entry, "smplx"))
        expected = verdict.startswith("rejected")
        yield compare(f"official_format_checker/{words}", refused, expected, EXACT)


def drawn_of(seed: int) -> dict[str, Any]:
    """A sample's seed -> parameters, and joints (144,2) in cells of the heat maps."""
    draw = np.random.RandomState(seed + DRAWS_AFTER)
    numbers: dict[str, Any] = {name: draw.standard_normal(n) for name, n in DRAWN.items()}
    cells = draw.uniform(0, 1, (JOINTS, 2)) * CELLS
    return {**numbers, "joints": cells.astype(np.float32)}


def entry_of(drawn: Mapping[str, Any], affine: Any) -> dict[str, Any]:
    """What was predicted, affine (2,3) from the crop to the 4K picture -> what OSX writes."""
    cropped = drawn["joints"] / np.array(CELLS) * np.array(CROP_PX)
    shown = cropped @ affine[:, :2].T + affine[:, 2]
    eyes = {"leye_pose": np.zeros(3), "reye_pose": np.zeros(3)}
    parameters = {name: drawn[name] for name in DRAWN}
    return with_joints(parameter_entry({**parameters, **eyes}, {}, FORM), shown, FORM)


def through_the_file(entries: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Files and their dictionaries -> the same out of a zip."""
    with TemporaryDirectory() as place:
        file = Path(place) / "predictions.zip"
        write_people(file, iter(entries))
        opened = open_zip(file, largest_bytes=LARGEST_FILES, members=len(entries))
        contents = opened.contents(opened.names)
        return {
            name.removeprefix(f"{FOLDER}/"): loads_pickle(data, name) for name, data in contents
        }


def _checks(
    split: str, file: str, ours: Mapping[str, Any], content: Any, golden: Mapping[str, Any]
) -> Iterator[ArrayCheck]:
    flat = {"joints": ours.get("joints"), **ours.get("params", {})}
    expected = {"joints": content["joints"], **content["params"]}
    yield compare(f"{split}/{file}/keys", set(flat) == set(expected), True, EXACT)
    for name, (dtype, shape) in expected.items():
        value = np.asarray(flat[name])
        same = str(value.dtype) == dtype and list(value.shape) == list(shape)
        yield compare(f"{split}/{file}/{name}/form", same, True, EXACT)
        for key in (
            f"agora_export_{split}/{file}/{name}",
            f"agora_export_{split}/{file}/params/{name}",
        ):
            if key in golden:
                allowed = PIXELS if name == "joints" else EXACT
                yield compare(key, value, golden[key], allowed, "px" if allowed else "")
