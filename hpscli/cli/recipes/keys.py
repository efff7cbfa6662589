"""Commands that take keys of a recipe as words: who types one as an option is told how."""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from hpscli.errors import UsageError


class RecipeCommand(TyperCommand):
    """`--lr 3` -> "Keys of a recipe are words: optim.lr=3"; nothing at all -> an example."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and any(entry.required for entry in self.params):
            raise UsageError(
                f"{ctx.command_path}: which recipe?",
                f"For example: {ctx.command_path} tiny     All: hps recipes list",
            )
        options = {name for entry in self.params for name in (*entry.opts, *entry.secondary_opts)}
        for place, word in enumerate(args):
            name, _, value = word.partition("=")
            if name.startswith("--") and name not in options:
                _refuse_key(name, value or _value(args[place + 1 :]), ctx.command_path)
        return super().parse_args(ctx, args)


def _refuse_key(option: str, value: str, command: str) -> None:
    """Raise for an option that is a key of a recipe."""
    from hpscli.mistakes import keys_named
    from hpscli.recipe import known_keys

    name = option.removeprefix("--")
    known = known_keys()
    if keys := [name] if name in known else keys_named(name, known):
        words = " or ".join(f"{key}={value}" for key in keys)
        raise UsageError(
            f"{command} has no option '{option}'.", f"Keys of a recipe are words: {words}"
        )


def _value(rest: Sequence[str]) -> str:
    """-> what stands after the option, or a place for it."""
    return rest[0] if rest and not rest[0].startswith("-") else "..."
