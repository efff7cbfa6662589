"""A leaderboard for tests: a zip of one JSON list of joints; its check looks at the count and the unit."""

import io
import json
import zipfile
from pathlib import Path

from hpscli.atomic import write_atomically
from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.hooks import WriterSpec, hookimpl
from hpscli.records import Finding, PredictionSet

MOST_METRES = 10.0


@hookimpl
def hps_writers() -> list[WriterSpec]:
    """-> one that takes whole bodies."""
    return [
        WriterSpec(
            name="toy",
            write=f"{__name__}:write",
            check=f"{__name__}:check",
            summary="A zip that holds joints.json.",
            homepage="https://toy.example",
            testset="synthetic",
            split="test",
            bodies=("smpl",),
            file_name="ckpt{epoch}-{views}-pred.zip",
            keeps=("joints.*",),
            options={"scale": 1.0, "names": False},
            check_options={"samples": 6},
        )
    ]


def write(
    predictions: PredictionSet, out: Path, body: Body, scale: float = 1.0, names: bool = False
) -> None:
    """Predictions -> the zip."""
    joints = predictions.arrays[f"joints.{body.joint_set}"] * scale
    document = {"joints": joints.tolist(), "keys": list(predictions.keys) if names else []}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("joints.json"), json.dumps(document))
    write_atomically(out, packed.getvalue())


def check(file: Path, samples: int = 6) -> list[Finding]:
    """The zip -> what is wrong with it."""
    with zipfile.ZipFile(file) as archive:
        if "joints.json" not in archive.namelist():
            raise InvalidData(f"{file} holds no joints.json.", "Write it again.")
        joints = json.loads(archive.read("joints.json"))["joints"]
    found = []
    largest = max((abs(x) for person in joints for joint in person for x in joint), default=0.0)
    if largest > MOST_METRES:
        found.append(
            Finding(problem="joints are kilometres away", place="joints.json", error=False)
        )
    if len(joints) != samples:
        found.append(
            Finding(
                problem=f"joints.json holds {len(joints)} people, the list has {samples}",
                fix="Predict everybody: leave out --limit",
                place="joints.json",
            )
        )
    return found
