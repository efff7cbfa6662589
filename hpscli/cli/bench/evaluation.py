"""hps bench eval: which part of an evaluation's time the network has."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.hooks import ProtocolSpec
    from hpscli.nn.checkpoints import LoadedModel
    from hpscli.run.evaluating.timing import Shares

SIDE_PX = 256  # of the pictures that are made
MANY = 64  # people; starting workers takes as long as rendering so many


def evaluation(
    model: Annotated[
        str, typer.Argument(help="MODEL.PRESET, with random weights.")
    ] = "fastmetro.s-resnet50",
    people: Annotated[int, typer.Option(min=2, help="How many are measured.")] = 512,
    batch: Annotated[int, typer.Option(min=1, help="People at once.")] = 32,
    shards: Annotated[str, typer.Option(help="Synthetic people; default: made for this.")] = "",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    plain: Annotated[
        bool, typer.Option("--plain", help="The plain loop too, one thing after another.")
    ] = False,
    least: Annotated[float, typer.Option(min=0.0, help="Exit 4 below this share.")] = 0.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Which part of the steady wall time of `hps eval` the network has.

    Steady: from the first call of the network to the end of the last one. Reading, decoding,
    cropping, posing the truth and measuring happen beside it.
    """
    from hpscli.errors import CheckFailed

    show = Output(json, quiet)
    loaded, protocol = _model(model, device)
    with tempfile.TemporaryDirectory(prefix="hps-bench-") as folder:
        location = shards or _make_people(show, Path(folder), protocol, people)
        document = _measured(show, loaded, protocol, location, (people, batch), plain)
    document = {"model": model, "device": device, **document}
    show.result("bench-eval", document, lambda: _draw(document))
    if document["share"] < least:
        raise CheckFailed(
            f"the network has {document['share']:.1%} of the time, below {least:.1%}."
        )


def _measured(
    show: Output,
    model: "LoadedModel",
    protocol: "ProtocolSpec",
    location: str,
    wanted: tuple[int, int],
    plain: bool,
) -> dict[str, Any]:
    """-> shares and rates of one evaluation, after a short one that warms everything up."""
    import torch

    from hpscli.run.evaluating.settings import Settings
    from hpscli.run.evaluating.timing import timed_share

    people, batch = wanted
    timed_share(model, location, protocol, Settings(batch=batch, limit=min(people, 2 * batch)))
    show.say("measuring", f"{people} people, {torch.get_num_threads()} threads")
    found = timed_share(model, location, protocol, Settings(batch=batch, limit=people))
    document = {
        "protocol": protocol.name,
        "batch": batch,
        "threads": torch.get_num_threads(),
        **_plain(found),
    }
    if plain:
        settings = Settings(batch=batch, limit=people, overlap=False)
        slow = timed_share(model, location, protocol, settings)
        document["plain"] = {"wall_seconds": slow.wall, "gain": slow.wall / found.wall}
    return document


def _plain(found: "Shares") -> dict[str, Any]:
    return {
        "people": found.people,
        "share": found.share,
        "people_per_second": found.people_per_second,
        "wall_seconds": found.wall,
        "steady_seconds": found.steady,
        "network_seconds": found.network,
        "reading_seconds": found.reading,
        "measuring_seconds": found.measuring,
    }


def _model(name: str, device: str) -> "tuple[LoadedModel, ProtocolSpec]":
    """-> a model with random weights, and the protocol of generated people for its body."""
    from hpscli.body.kit import body_kit
    from hpscli.metrics.protocol_names import find_protocol
    from hpscli.nn.checkpoints import build_model, check_device
    from hpscli.nn.files import CheckpointInfo
    from hpscli.nn.loaded import LoadedModel, arranged
    from hpscli.registry import get_registry

    check_device(device)
    title, _, preset = name.partition(".")
    registry = get_registry()
    module, spec, options = build_model(title, preset=preset, body_source="free")
    kit = body_kit(spec.body, "free")
    info = CheckpointInfo(model=title, options=options, input_size=spec.input_size, body={})
    loaded = LoadedModel(
        module=arranged(module),
        spec=spec,
        options=options,
        input_size=spec.input_size,
        body=kit.body(),
        info=info,
        sha256="",
        name=name,
        kit=kit,
    )
    protocol = find_protocol(registry, testset="synthetic", body=spec.body)
    return loaded.eval().to(device), protocol


def _make_people(show: Output, folder: Path, protocol: "ProtocolSpec", people: int) -> str:
    """-> shards of generated people."""
    from hpscli.data.prepare import prepare
    from hpscli.registry import get_registry

    spec = get_registry().dataset("synthetic")
    options = {"body": protocol.body, "count": people, "size_px": SIDE_PX}
    with show.progress("rendering", people, "people") as advance:
        prepare(
            spec,
            Path(),
            protocol.split,
            str(folder / "people"),
            options=options,
            workers=(os.cpu_count() or 1) if people > MANY else 0,
            advance=advance,
        )
    return str(folder / "people")


def _draw(document: dict[str, Any]) -> None:
    rows = [
        (
            what,
            document[f"{what}_seconds"],
            document[f"{what}_seconds"] / document["steady_seconds"],
        )
        for what in ("network", "reading", "measuring")
    ]
    table(("beside each other", "seconds", "of the steady time"), rows)
    pairs(
        [
            ("model", document["model"]),
            ("people", document["people"]),
            ("people a second", document["people_per_second"]),
            ("network's share", f"{document['share']:.1%}"),
            ("whole run", f"{document['wall_seconds']:.1f} s"),
        ]
    )
    if "plain" in document:
        pairs([("plain loop", f"{document['plain']['wall_seconds']:.1f} s")])
