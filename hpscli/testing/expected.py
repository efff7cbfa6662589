"""Goldens of data sets, as records: what an official converter made of a tiny download."""

from pathlib import Path
from typing import Any

from hpscli.hooks import GoldenSpec

SKIPPED = ("config", "keypoints_were_compressed")  # a name of the converter; state of its file


def expected(
    file: str, dataset: str, fixture: str, split: str, reference: str, **options: Any
) -> GoldenSpec:
    """File below expected/, reader, folder below fixtures/, split, converter -> a kind of golden.

    Options of the replay; what is left are options of the reader:
    `form`: of the file when it is not human_data: spin, or "package.module:function", which is given
    the people and the folder and returns {entry: array};
    `boxes`: tolerance of boxes, px; `tolerances`: {pattern of entries: tolerance};
    `cameras`: "package.module:function", the folder -> `cam_param`, when it is no list by person;
    `name`: of the golden, when two readers give the same file; `left_out`: patterns of entries that cannot be compared.
    """
    return GoldenSpec(
        name=options.pop("name", f"datasets/{Path(file).stem}"),
        files=(f"expected/{file}",),
        replay="hpscli.testing.data_goldens:replay",
        summary=f"{dataset} {split} as {reference or 'we'} read it.",
        source="reference/datasets/expected/README.md (tolerances)",
        case={
            "dataset": dataset,
            "fixture": fixture,
            "split": split,
            "reference": reference,
            "file": file,
            **options,
        },
        inputs=(*SKIPPED, *options.get("left_out", ())),
    )
