"""hps bench: speed and memory on this machine."""

import typer

from hpscli.cli.bench.accuracy import accuracy
from hpscli.cli.bench.crops import crops
from hpscli.cli.bench.data import data
from hpscli.cli.bench.evaluation import evaluation
from hpscli.cli.bench.free import free
from hpscli.cli.bench.index import index
from hpscli.cli.bench.latency import latency
from hpscli.cli.bench.metrics import metrics
from hpscli.cli.bench.prepare import prepare
from hpscli.cli.bench.startup import startup
from hpscli.cli.bench.synthetic import synthetic
from hpscli.cli.bench.train import train

app = typer.Typer(
    help="Measure speed on this machine.", no_args_is_help=True, pretty_exceptions_enable=False
)
COMMANDS = (
    accuracy,
    crops,
    free,
    index,
    latency,
    metrics,
    prepare,
    data,
    startup,
    synthetic,
    train,
)
for command in COMMANDS:
    app.command()(command)
app.command("eval")(evaluation)
