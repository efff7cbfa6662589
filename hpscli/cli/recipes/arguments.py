"""What the commands of `hps recipes` take."""

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="A recipe's name or path.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, as for `hps train`.")]
