"""hps recipes list | show | diff | check: experiments as files."""

import typer

from hpscli.cli.recipes.checking import check
from hpscli.cli.recipes.comparing import diff
from hpscli.cli.recipes.keys import RecipeCommand
from hpscli.cli.recipes.listing import list_
from hpscli.cli.recipes.showing import show

app = typer.Typer(
    help="Recipes: one TOML file per experiment.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("list")(list_)
app.command("show", cls=RecipeCommand)(show)
app.command("diff")(diff)
app.command("check", cls=RecipeCommand)(check)
