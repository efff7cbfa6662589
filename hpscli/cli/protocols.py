"""hps protocols list | show | explain | effects: what exactly a number means."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, pairs, table

if TYPE_CHECKING:
    from hpscli.hooks import ProtocolSpec
    from hpscli.run.explaining.effects import Effect, Row

app = typer.Typer(
    help="Evaluation protocols: which people, joints, alignment and units make a number.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Argument(help="As in `hps protocols list`, or short: 3dpw@spin.")]
TESTSET = "Only those of this data set (3dpw), or list (3dpw/test)."
LABELS = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "pve": "PVE"}
MARKS = "As in docs/explanation/protocols.md."


@app.command("list")
def list_(
    testset: Annotated[str, typer.Option(help=TESTSET)] = "", json: JsonOption = False
) -> None:
    """Every protocol of every plugin."""
    from hpscli.metrics.protocols import METRICS, document
    from hpscli.registry import get_registry

    registry = get_registry()
    specs = _of_testset(testset)
    rows: list[dict[str, Any]] = [
        {
            **document(spec),
            "default": spec.default,
            "models": list(spec.models),
            "plugin": registry.origin("protocol", spec.name),
        }
        for spec in specs
    ]

    def draw() -> None:
        table(
            ("protocol", "standing", "body", "joints", "metrics", "own of", "default"),
            [
                (
                    spec.name,
                    spec.standing,
                    spec.body,
                    spec.joints,
                    " ".join(
                        METRICS[name].label if name in METRICS else name for name in spec.metrics
                    )
                    or "its own",
                    " ".join(spec.models),
                    spec.default,
                )
                for spec in specs
            ],
        )

    output = Output(json)
    output.result("protocols", {"protocols": rows}, draw)
    output.next("hps protocols show NAME     the rule, its figures, what others published")


@app.command()
def show(name: Name, json: JsonOption = False) -> None:
    """One protocol in English, and what others published under it."""
    from hpscli.metrics.protocol_names import protocol_named
    from hpscli.metrics.protocols import document, sentences
    from hpscli.registry import get_registry

    spec = protocol_named(get_registry(), name)
    said, published, figures = sentences(spec), _published(spec), _figures(spec)

    def draw() -> None:
        about = {"figures": " ".join(figures), **_about(spec)}
        pairs([("protocol", spec.name), ("", spec.summary), *said.items(), *about.items()])
        _draw_published(published)

    whole = {
        **document(spec),
        "default": spec.default,
        "english": said,
        "figures": list(figures),
        "published": published,
    }
    Output(json).result("protocol", whole, draw)


@app.command()
def explain(
    name: Name,
    against: Annotated[str, typer.Option(help="Another protocol: what differs, one by one.")] = "",
    json: JsonOption = False,
) -> None:
    """The rule step by step, how it differs from others, and by how many mm in a small example."""
    from dataclasses import asdict

    from hpscli.metrics.protocol_names import protocol_named
    from hpscli.metrics.protocols import sentences
    from hpscli.registry import get_registry
    from hpscli.run.explaining.effects import effects, in_words, rows, siblings

    registry, show_ = get_registry(), Output(json)
    spec = protocol_named(registry, name)
    others = (
        [protocol_named(registry, against)] if against else siblings(spec, registry.all("protocol"))
    )
    values = rows([spec, *others])
    if values:
        show_.say("example", "32 made-up people with free bodies; how large effects are differs")
    differences = effects(spec, others[0]) if against else []
    words = in_words(spec, others[0]) if against else {}
    said, published = sentences(spec), _published(spec)

    def draw() -> None:
        steps = [
            (f"{number}. {topic}", text) for number, (topic, text) in enumerate(said.items(), 1)
        ]
        pairs([("protocol", spec.name), ("", spec.summary), *steps, *_about(spec).items()])
        _draw_values(spec, values)
        if against:
            _draw_words(spec, others[0], words)
            _draw_effects(spec, others[0], differences)
        _draw_published(published)

    document = {
        "name": spec.name,
        "english": said,
        **_about(spec),
        "example": [asdict(row) for row in values],
        "against": against,
        "words": {topic: list(pair) for topic, pair in words.items()},
        "effects": [asdict(effect) for effect in differences],
        "published": published,
    }
    show_.result("protocol-explained", document, draw)


@app.command("effects")
def effects_(
    testset: Annotated[str, typer.Option(help=TESTSET)] = "3dpw/test",
    markdown: Annotated[bool, typer.Option("--markdown", help=MARKS)] = False,
    json: JsonOption = False,
) -> None:
    """One set of predictions under every protocol of a test set: what each makes of it, in mm."""
    from dataclasses import asdict

    from hpscli.errors import UsageError
    from hpscli.run.explaining.effects import markdown_table, rows

    found = rows([spec for spec in _of_testset(testset) if spec.body == "smpl"])
    if not found:
        raise UsageError(
            f"the example is people of SMPL with joints in 3D; no rule of '{testset}' measures those.",
            f"What a rule does: hps protocols list --testset {testset}, hps protocols explain NAME",
        )

    def draw() -> None:
        if markdown:
            print(markdown_table(found), end="")
        else:
            columns = ("protocol", *(f"{label} mm" for label in LABELS.values()))
            table(columns, [(row.name, *map(_mm, row.values.values())) for row in found])

    Output(json).result("protocol-effects", {"rows": [asdict(row) for row in found]}, draw)


def _of_testset(testset: str) -> "list[ProtocolSpec]":
    from hpscli.errors import UsageError, did_you_mean
    from hpscli.metrics.protocol_names import places
    from hpscli.registry import get_registry

    specs: list[ProtocolSpec] = get_registry().all("protocol")
    found = [spec for spec in specs if not testset or testset in places(spec)]
    if not found:
        known = sorted({place for spec in specs for place in places(spec)})
        fix = did_you_mean(testset, known) or "See: hps protocols list"
        raise UsageError(f"no test set '{testset}'.", fix)
    return found


def _figures(spec: "ProtocolSpec") -> tuple[str, ...]:
    """-> the names of a protocol's figures, as --metrics takes them."""
    from hpscli.errors import MissingError

    if spec.metrics:
        return tuple(spec.metrics)
    from hpscli.body.layer import load_body
    from hpscli.metrics.rules import rule_of

    try:
        return tuple(rule_of(spec, load_body(spec.body, source="free")).figures)
    except MissingError:  # the rule wants licensed arrays
        return ()


def _about(spec: "ProtocolSpec") -> dict[str, str]:
    """-> where the rule was read, whose it is, what lies beside it."""
    known = {
        "standing": spec.standing,
        "own of": ", ".join(spec.models),
        "beside": spec.beside,
        "read in": spec.source,
        "licence": spec.licence,
    }
    return {topic: text for topic, text in known.items() if text}


def _published(spec: "ProtocolSpec") -> list[dict[str, Any]]:
    return [
        {
            "model": p.model,
            "label": p.label,
            "metric": p.metric,
            "tta": p.tta,
            "value": p.value,
            "source": p.source,
            "doubt": p.doubt,
            "note": p.note,
        }
        for p in spec.published
    ]


def _draw_published(published: list[dict[str, Any]]) -> None:
    if published:
        print()
        kept = [n for n in published[0] if any(row[n] != "" for row in published)]
        table(kept, [[row[name] for name in kept] for row in published], title="published")


def _draw_values(spec: "ProtocolSpec", values: "list[Row]") -> None:
    own = next((row for row in values if row.name == spec.name), None)
    if own is None:
        return
    print()
    columns = ("the example under", *(f"{label} mm" for label in LABELS.values()))
    lines = []
    for row in values:
        cells = []
        for name, value in row.values.items():
            mine = own.values[name]
            extra = "" if row is own or value is None or mine is None else f" ({value - mine:+.1f})"
            cells.append(_mm(value) + extra)
        lines.append((row.name, *cells))
    table(columns, lines)


def _draw_words(
    spec: "ProtocolSpec", other: "ProtocolSpec", words: dict[str, tuple[str, str]]
) -> None:
    print()
    lines = [(topic, here, there) for topic, (here, there) in words.items()]
    table(("", spec.name, other.name), lines, title="in words")


def _draw_effects(spec: "ProtocolSpec", other: "ProtocolSpec", found: "list[Effect]") -> None:
    print()
    if not found:
        print("Each has a rule of its own: no part of one can be put into the other.")
        return
    columns = ("this alone", spec.name, other.name, *(f"{label} mm" for label in LABELS.values()))
    lines = [
        (
            e.field.removeprefix("options."),
            e.here,
            e.there,
            *(_mm(v, "+.1f") for v in e.mm.values()),
        )
        for e in found
    ]
    table(columns, lines, title=f"{spec.name} with one thing as in {other.name}")


def _mm(value: float | None, form: str = ".1f") -> str:
    return "" if value is None else format(value, form)
