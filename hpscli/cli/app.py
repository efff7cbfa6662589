"""The `hps` program: a table of commands, each imported only when it is typed."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hpscli import __version__
from hpscli.errors import HpsError, Interrupted, in_words, lacks_memory, unknown_name

PEOPLE, DATA, ABOUT = "Run", "Look things up", "This installation"

COMMANDS: dict[str, tuple[str, str, str]] = {
    # name: target, summary, panel. A target is a function or a typer.Typer.
    "demo": (
        "hpscli.cli.demo:demo",
        "The whole pipe on a free body, ending with a picture.",
        PEOPLE,
    ),
    "prepare": ("hpscli.cli.prepare:prepare", "Original files -> shards.", PEOPLE),
    "train": ("hpscli.cli.train:app", "Train a recipe.", PEOPLE),
    "eval": ("hpscli.cli.evaluate:evaluate", "Measure a checkpoint on a test set.", PEOPLE),
    "predict": (
        "hpscli.cli.predict:predict",
        "People in your images: picture, mesh, numbers.",
        PEOPLE,
    ),
    "export": ("hpscli.cli.export:export", "A checkpoint for other programs.", PEOPLE),
    "export-preds": (
        "hpscli.cli.export_preds:export_preds",
        "The file that a leaderboard takes; or its check.",
        PEOPLE,
    ),
    "flops": ("hpscli.cli.flops:flops", "Parameters, multiply-adds, activations.", PEOPLE),
    "bench": ("hpscli.cli.bench:app", "Measure speed on this machine.", PEOPLE),
    "selfcheck": ("hpscli.cli.selfcheck:selfcheck", "Replay goldens of the official code.", PEOPLE),
    "models": (
        "hpscli.cli.models:app",
        "Models: list, show, import, verify ...",
        DATA,
    ),
    "datasets": (
        "hpscli.cli.datasets.commands:app",
        "Data sets and shards: list, show, audit ...",
        DATA,
    ),
    "recipes": ("hpscli.cli.recipes:app", "Recipes: list, show, diff, check.", DATA),
    "protocols": ("hpscli.cli.protocols:app", "Evaluation protocols: list, show.", DATA),
    "info": ("hpscli.cli.info:app", "Conventions: joints, cameras, formats.", DATA),
    "assets": ("hpscli.cli.assets:app", "Licensed files of yours: list, import.", ABOUT),
    "plugins": ("hpscli.cli.plugins:app", "Plugins: list, new, check.", ABOUT),
    "doctor": ("hpscli.cli.doctor:doctor", "What works on this machine, and what does not.", ABOUT),
}


class LazyGroup(TyperGroup):
    """Lists commands from the table; imports a command's module only to run it."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *(name for name in _plugin_commands() if name not in COMMANDS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            _, summary, panel = COMMANDS[cmd_name]
        elif cmd_name in (extra := _plugin_commands()):
            summary, panel = extra[cmd_name].summary, "From plugins"
        else:
            return None
        return TyperCommand(cmd_name, help=summary, rich_help_panel=panel, callback=lambda: None)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw the first page plainly: rich's Markdown would cost more than all else together."""
        print(f"\n {_bold('Usage:')} hps [--version] COMMAND [ARGUMENTS]\n")
        print(
            "\n".join(f" {line}" for line in (root.__doc__ or "").replace("    ", "").splitlines())
        )
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        for panel in dict.fromkeys(command.rich_help_panel for command in commands):
            print(f" {_bold(panel)}")
            for command in commands:
                if command.rich_help_panel == panel:
                    print(f"   {command.name:<13} {command.help}")
            print()
        print(" hps COMMAND --help explains a command; hps --install-completion completes them.\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            raise unknown_name("command", args[0], known, "hps --help")
        name, command, rest = super().resolve_command(ctx, args)
        return name, (load_command(name) if name and command else command), rest


def load_command(name: str) -> Any:
    """-> the real command of this name, importing its module."""
    from hpscli.registry import resolve

    target = COMMANDS[name][0] if name in COMMANDS else _plugin_commands()[name].run
    found: Any = resolve(target)
    if isinstance(found, typer.Typer) and len(found.registered_commands) > 1:
        found.info.name = name
        command: Any = typer.main.get_group(found)
    else:
        single = found
        if not isinstance(found, typer.Typer):
            single = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
            single.command(name)(found)
        command = typer.main.get_command(single)
    command.name = name
    _unwrap(command)
    return command


def _unwrap(command: Any) -> None:
    """Make each paragraph of a help text one line: rich keeps the breaks of a docstring's lines."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)
    for below in getattr(command, "commands", {}).values():
        _unwrap(below)


def _plugin_commands() -> dict[str, Any]:
    from hpscli.registry import get_registry

    return {spec.name: spec for spec in get_registry().all("command")}


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() else text


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"hps {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """3D human pose and shape estimation: prepare, train, evaluate, predict, export, measure.

    First time here? Type `hps demo`.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program -> the exit code; errors of users end in one message (HPS_DEBUG=1: traceback)."""
    return _guarded(
        lambda: app(args=list(arguments) if arguments is not None else None, prog_name="hps")
    )


def _guarded(call: Callable[[], object]) -> int:
    from hpscli.cli.output import show_error

    try:
        call()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except HpsError as error:
        if os.environ.get("HPS_DEBUG") == "1":
            raise
        show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        show_error(Interrupted("interrupted."))
        return Interrupted.exit_code
    except BrokenPipeError:  # `hps models list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("HPS_DEBUG") == "1":
            raise
        show_error(_explained(error))
        return HpsError.exit_code
    return 0


def _explained(error: Exception) -> HpsError:
    """-> a place that could not be read or written, too little memory; anything else is a bug of ours."""
    if lacks_memory(error):
        return HpsError(
            f"the memory does not suffice: {in_words(error)}.",
            "Smaller batches, fewer workers or processes, or a machine with more memory.",
        )
    if isinstance(error, OSError) and error.filename is not None:
        return HpsError(
            f"{error.filename}: {error.strerror or error}.",
            "Check the path, its permissions and the free space, or choose another place.",
        )
    return HpsError(
        f"unexpected {type(error).__name__}: {error}",
        "This is a bug. Please report it with the output of: hps doctor --json\n"
        "HPS_DEBUG=1 shows where it happened.",
    )


def main() -> None:
    """The entry point `hps`."""
    from hpscli.launched import leave

    code = run()
    if os.environ.get("WORLD_SIZE", "1") != "1":
        leave(code)
    sys.exit(code)
