"""What is meant when the user does not say: shards, checkpoint, device, place of results."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hpscli.data.remote import is_remote
from hpscli.data.shards import INDEX, read_index
from hpscli.errors import HpsError, MissingError, UsageError
from hpscli.hooks import ModelSpec, ProtocolSpec, Weights
from hpscli.nn.options import adapted, complete_options
from hpscli.registry import Registry

SHARDS = Path("shards")  # below the working directory, where `hps prepare` writes
RUNS = Path("runs")


def find_shards(protocol: ProtocolSpec, given: str, registry: Registry) -> tuple[str, str]:
    """-> (shard folder or URL, a remark): as given, as prepared here, or the few that ship."""
    if given:
        if not is_remote(given) and not (Path(given) / INDEX).is_file():
            read_index(given)  # says in its own words what is wrong
        return given, ""
    prepared = SHARDS / protocol.name.split("@")[0]
    for folder in (prepared, SHARDS / protocol.testset / protocol.split):
        if (folder / INDEX).is_file() and _kind(folder) in ("", protocol.body):
            return str(folder), ""
    if demo := demo_shards(protocol):
        return str(demo), "the few people that come with hps; more: " + prepare_line(
            protocol, registry
        )
    raise MissingError(
        f"no shards of {protocol.testset}/{protocol.split} ({protocol.body}): {prepared} has no "
        f"{INDEX}.",
        f"{_how_to_make(protocol, registry)}\nor say where they are: --shards PATH",
    )


def training_shards(protocol: ProtocolSpec, given: str, registry: Registry) -> str:
    """-> where the training people are: as given; "mean": where `hps prepare` puts them."""
    if given != "mean":
        return given
    training = replace(protocol, name=f"{protocol.name.split('/')[0]}/train@", split="train")
    folder = SHARDS / training.name.split("@")[0]
    if not (folder / INDEX).is_file():
        raise MissingError(
            f"no training people for --baseline mean: {folder} has no {INDEX}.",
            f"Make them: {prepare_line(training, registry)}\n"
            "or say where they are: --baseline SHARDS",
        )
    return str(folder)


def _how_to_make(protocol: ProtocolSpec, registry: Registry) -> str:
    """-> what to type, or where to read when no data set has the name of the test set."""
    if protocol.testset in registry.names("dataset"):
        return f"Make them: {prepare_line(protocol, registry)}"
    folder = SHARDS / protocol.name.split("@")[0]
    return (
        f"Make them: hps prepare FORM --split {protocol.split} --from DIR --out {folder}\n"
        f"(FORM: that of its files, as spin-npz; hps datasets list has all, none called "
        f"{protocol.testset})"
    )


def demo_folders() -> list[Path]:
    """-> shards/demo of a checkout or wheel."""
    package = Path(__file__).parents[1]
    roots = (package.parent / "shards" / "demo", package / "_shards" / "demo")
    return [root for root in roots if root.is_dir()]


def demo_shards(protocol: ProtocolSpec) -> Path | None:
    """-> the people that come with hps, if they are of this test set, split and body."""
    for root in demo_folders():
        for folder in (root / protocol.split, root):
            if not (folder / INDEX).is_file():
                continue
            try:
                index = read_index(folder)
            except HpsError:
                continue
            whose = (index.dataset, index.split, (index.body or {}).get("kind", ""))
            if whose == (protocol.testset, protocol.split, protocol.body):
                return folder
    return None


def _kind(folder: Path) -> str:
    """-> the body that made these people, "" when nobody says."""
    return (read_index(folder).body or {}).get("kind", "")


def prepare_line(protocol: ProtocolSpec, registry: Registry) -> str:
    """-> the command that makes a protocol's shards."""
    words = f"hps prepare {protocol.testset} --split {protocol.split}"
    folder = SHARDS / protocol.name.split("@")[0]
    specs = {spec.name: spec for spec in registry.all("dataset")}
    spec = specs.get(protocol.testset)
    if spec is None or spec.needs_root:
        return f"{words} --from DIR"
    if protocol.body != "smpl":
        words += f" --body {protocol.body}"
    return f"{words} --out {folder}"


def shipped_checkpoint(registry: Registry, body: str = "") -> str:
    """-> `model.tag` of the first weights that come with hps, for a body if one is asked for."""
    for spec in registry.all("model"):
        for weights in spec.weights:
            if weights.file and body in ("", _body_of(spec, weights)):
                return f"{spec.name}.{weights.tag}"
    wanted = f" for {body}" if body else ""
    raise MissingError(
        f"no trained weights{wanted} come with hps.",
        "Name a checkpoint or a run, or make one: hps demo, hps train RECIPE",
    )


def _body_of(spec: ModelSpec, weights: Weights) -> str:
    return adapted(spec, complete_options(spec, weights.preset, {})).body


def best_device(asked: str = "", local_rank: int = 0) -> str:
    """-> cpu, cuda or cuda:N; the best there is unless said otherwise."""
    import torch

    if asked and not re.fullmatch(r"cpu|cuda(:\d+)?", asked):
        raise UsageError(f"no device '{asked}'.", "One of: cpu, cuda, cuda:N.")
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise MissingError("no GPU that torch can use.", "See: hps doctor     or: --device cpu")
    number, there = int(asked.partition(":")[2] or 0), torch.cuda.device_count()
    if number >= max(there, 1):
        raise MissingError(f"no GPU number {number}: there are {there}, counted from 0.")
    chosen = asked or ("cuda" if torch.cuda.is_available() else "cpu")
    # a cluster may show every process its own GPU alone, which is then number 0
    return f"cuda:{local_rank % there}" if chosen == "cuda" else chosen


def check_dtype(name: str) -> None:
    """Raise for a precision that nobody knows."""
    if name not in ("fp32", "bf16", "fp16"):
        raise UsageError(f"no dtype '{name}'.", "One of: fp32, bf16, fp16.")


def new_result_file(out: Path | None, checkpoint: str) -> Path:
    """-> where a result goes: as said (a file or a folder), or a new folder below runs/eval."""
    if out is not None:
        return out if out.suffix == ".json" else out / "result.json"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(checkpoint).as_posix()).strip("-.") or "model"
    return dated_folder(RUNS / "eval" / name) / "result.json"


def dated_folder(parent: Path, prefix: str = "", *, make: bool = False) -> Path:
    """-> PARENT/PREFIX and the time, UTC, so that names sort as times do; with a number where it is taken.

    make: the folder exists then, so that nobody who starts in the same second has the same one.
    """
    name = prefix + datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    folder, number = parent / name, 1
    while folder.exists() or (make and not _make(folder)):
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


def _make(folder: Path) -> bool:
    """-> whether a folder that was not there has been made by this process."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    return True
