"""hps protocols list | show: what exactly a number means."""

from typing import Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, pairs, table

app = typer.Typer(
    help="Evaluation protocols: which people, joints, alignment and units make a number.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """Every protocol of every plugin."""
    from hpscli.metrics.protocols import document, metric_kind
    from hpscli.registry import get_registry

    registry = get_registry()
    specs = registry.all("protocol")
    rows: list[dict[str, Any]] = [
        {
            **document(spec),
            "default": spec.default,
            "plugin": registry.origin("protocol", spec.name),
        }
        for spec in specs
    ]

    def draw() -> None:
        table(
            ("protocol", "test set", "body", "joints", "metrics", "default"),
            [
                (
                    spec.name,
                    spec.testset,
                    spec.body,
                    spec.joints,
                    " ".join(metric_kind(name).label for name in spec.metrics),
                    spec.default,
                )
                for spec in specs
            ],
        )

    Output(json).result("protocols", {"protocols": rows}, draw)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A protocol, as `hps protocols list` names it.")],
    json: JsonOption = False,
) -> None:
    """One protocol in English, and what others published under it."""
    from hpscli.metrics.protocols import document, sentences
    from hpscli.registry import get_registry

    spec = get_registry().protocol(name)
    said = sentences(spec)
    published = [
        {"model": p.model, "metric": p.metric, "value": p.value, "source": p.source}
        for p in spec.published
    ]

    def draw() -> None:
        pairs([("protocol", spec.name), ("", spec.summary), *said.items()])
        if published:
            print()
            table(tuple(published[0]), [tuple(row.values()) for row in published])

    whole = {**document(spec), "default": spec.default, "english": said, "published": published}
    Output(json).result("protocol", whole, draw)
