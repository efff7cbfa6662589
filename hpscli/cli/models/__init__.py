"""hps models: what can be trained and run, and the weights that are here."""

import typer

from hpscli.cli.models.files import export_official, import_, verify
from hpscli.cli.models.looking import list_, show

app = typer.Typer(
    help="Models: networks that plugins bring, with options, presets and weights.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("list")(list_)
app.command("show")(show)
app.command("import")(import_)
app.command("export-official")(export_official)
app.command("verify")(verify)
