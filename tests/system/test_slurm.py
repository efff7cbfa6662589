"""A real Slurm on this machine, one node: the job script of docs/howto/slurm.md, and hps --slurm, on the CPU.

Needs the Debian packages slurm-wlm and munge, and root, to start their daemons.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from hpscli.cli.app import run as hps
from hpscli.nn.files import read_tensors
from hpscli.recipe import to_toml
from tests.system.one_node_slurm import one_node_slurm, output, wait_for
from tests.train.labelled import labelled_people, small_recipe

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        shutil.which("sbatch") is None or os.geteuid() != 0,
        reason="needs the Debian packages slurm-wlm and munge, and root",
    ),
]
JOB_SECONDS = 180.0
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "slurm.md"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster of one node; SLURM_CONF points to it."""
    with one_node_slurm(tmp_path_factory.mktemp("slurm") / "cluster") as folder:
        yield folder


@dataclass(frozen=True)
class Unbroken:
    """A recipe in which every state matters, and what two processes make of it without a break."""

    recipe: Path
    weights: dict[str, torch.Tensor]
    steps: list[int]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")
    people = labelled_people(folder / "people", 40, split="train")
    changes: dict[str, Any] = {"model__options__dropout": 0.5, "train__checkpoint_every": 50}
    recipe = folder / "small.toml"
    recipe.write_text(
        to_toml(
            small_recipe(
                people, train__epoch_samples=800, data__workers=1, optim__ema=0.9, **changes
            )
        )
    )
    words = ["train", str(recipe), "--gpus", "2", "--device", "cpu", "--out", str(folder / "run")]
    assert hps([*words, "-q"]) == 0
    return Unbroken(recipe, weights(folder / "run"), steps(folder / "run"))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_tensors(run / "checkpoints" / "last.safetensors")


def steps(run: Path) -> list[int]:
    """-> the steps that a run has logged."""
    log = run / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    found = (json.loads(line) for line in lines if line.endswith("\n"))
    return [line["step"] for line in found if "losses" in line]


def is_as(run: Path, other: Unbroken) -> None:
    """Assert that a run made what the unbroken one made, bit for bit, and did each step once."""
    ours = weights(run)
    assert steps(run) == other.steps
    assert all(torch.equal(ours[name], value) for name, value in other.weights.items())


def submit(folder: Path, script: str, *flags: str) -> str:
    """-> the number of the job that does this."""
    path = folder / "job.sh"
    path.write_text(f"#!/bin/bash\n{script}\n")
    done = subprocess.run(
        ["sbatch", "--parsable", f"--chdir={folder}", *flags, str(path)],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ended(job: str) -> bool:
    state = output("scontrol", "show", "job", job)
    return any(word in state for word in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"))


def restarts(job: str) -> int:
    found = re.search(r"Restarts=(\d+)", output("scontrol", "show", "job", job))
    return int(found[1]) if found else 0


def script_of_the_howto(recipe: Path) -> str:
    """-> the job script that users are shown, for this machine: its recipe and its processes."""
    script = re.search(r"```bash\n#!/bin/bash\n(.*?)```", HOWTO.read_text(), re.DOTALL)
    assert script is not None
    text = re.sub(
        r"--nodes.*", "--nodes=1 --ntasks-per-node=2 --cpus-per-task=1", script[1], count=1
    )
    return re.sub(r" hps train \S+ ", f" hps train {recipe} --device cpu ", text, count=1)


def test_the_script_of_the_howto_queues_itself_again_and_ends_as_an_unbroken_run(
    slurm: Path, unbroken: Unbroken, tmp_path: Path
) -> None:
    job = submit(tmp_path, script_of_the_howto(unbroken.recipe))
    run = tmp_path / "runs" / "graphormer_h36m" / job
    wait_for(lambda: len(steps(run)) > 20, JOB_SECONDS, slurm)
    subprocess.run(["scancel", "--signal=USR1", job], check=True)  # as --signal does in time
    wait_for(lambda: restarts(job) == 1, JOB_SECONDS, slurm)
    reached = steps(run)[-1]
    assert (run / f"checkpoints/step-{reached:08}.state.pt").exists()
    wait_for(lambda: ended(job), JOB_SECONDS, slurm)
    assert "COMPLETED" in output("scontrol", "show", "job", job)
    assert reached < unbroken.steps[-1]
    is_as(run, unbroken)


def test_a_job_that_its_owner_cancels_is_not_queued_again(
    slurm: Path, unbroken: Unbroken, tmp_path: Path
) -> None:
    job = submit(tmp_path, script_of_the_howto(unbroken.recipe))
    run = tmp_path / "runs" / "graphormer_h36m" / job
    wait_for(lambda: len(steps(run)) > 5, JOB_SECONDS, slurm)
    subprocess.run(["scancel", job], check=True)
    wait_for(lambda: not output("squeue", "-h").strip(), JOB_SECONDS, slurm)
    assert "CANCELLED" in output("scontrol", "show", "job", job) and restarts(job) == 0
    assert (run / "checkpoints" / "last.safetensors").exists()


def test_a_task_that_is_lost_before_all_have_met_ends_the_job(
    slurm: Path, unbroken: Unbroken, tmp_path: Path
) -> None:
    script = script_of_the_howto(unbroken.recipe)
    lost = "bash -c 'test $SLURM_PROCID = 0 || exit 9; exec \"$@\"' - hps train "
    job = submit(tmp_path, script.replace("hps train ", lost))
    wait_for(lambda: ended(job), JOB_SECONDS, slurm)  # not after half an hour
    assert "FAILED" in output("scontrol", "show", "job", job)
    (log,) = tmp_path.glob("*.log")
    assert "task 1: Exited with exit code 9" in log.read_text()


def test_what_is_wrong_for_all_tasks_is_said_once_and_ends_the_job(
    slurm: Path, unbroken: Unbroken, tmp_path: Path
) -> None:
    script = script_of_the_howto(unbroken.recipe)
    job = submit(tmp_path, script.replace(" --resume", " --resume optim.global_batch=64"))
    wait_for(lambda: ended(job), JOB_SECONDS, slurm)
    assert "ExitCode=2:0" in output("scontrol", "show", "job", job)
    (log,) = tmp_path.glob("*.log")
    assert log.read_text().count("--scale-lr") == 1


def test_a_job_that_gives_way_to_another_goes_on_by_itself_and_ends_as_an_unbroken_run(
    slurm: Path, unbroken: Unbroken, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "run"
    words = ["train", str(unbroken.recipe), "--device", "cpu", "--out", str(run)]
    settings = "partition=main,time=60,cpus=1,tasks=2"
    command = [sys.executable, "-m", "hpscli", *words, "--slurm", settings, "--wait"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(steps(run)) > 20, JOB_SECONDS, slurm)
    job = output("squeue", "-h", "-o", "%A").split()[0]
    output("sbatch", "-p", "urgent", "-n", str(os.cpu_count()), "-o", "/dev/null", "--wrap", "true")
    wait_for(lambda: restarts(job) == 1, JOB_SECONDS, slurm)
    wait_for(lambda: follower.poll() is not None, JOB_SECONDS, slurm)
    out, err = follower.communicate()
    assert follower.returncode == 0, err
    assert out.strip() == job
    assert f"run         {run}" in err and "_0_log.out" in err
    assert "everything is saved" in err and "resume      step-" in err and "done " in err
    is_as(run, unbroken)


def test_a_batch_that_the_recipe_does_not_expect_is_refused_before_a_job_is_handed_over(
    slurm: Path, unbroken: Unbroken, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(unbroken.recipe), "optim.global_batch=64", "--out", str(tmp_path / "run")]
    assert hps([*words, "--slurm", "partition=main,tasks=2,nodes=3"]) == 2
    assert "--scale-lr" in capsys.readouterr().err
    assert not output("squeue", "-h").strip()


def test_a_preparation_as_jobs_gives_the_bytes_of_one_process(slurm: Path, tmp_path: Path) -> None:
    words = ["prepare", "synthetic", "--count", "24", "--size", "32", "--shard-samples", "4", "-q"]
    assert hps([*words, "--out", str(tmp_path / "one")]) == 0
    out = tmp_path / "jobs"
    jobs = ["--slurm", "partition=main,time=10,cpus=1,array=3,nodes=2"]
    assert hps([*words, "--out", str(out), *jobs]) == 0
    wait_for((out / "index.json").is_file, JOB_SECONDS, slurm)
    assert hps([*words, "--out", str(out)]) == 0  # tells the result, and draws the people
    one = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert {path.name: path.read_bytes() for path in out.iterdir()} == one


def test_an_evaluation_by_a_step_or_a_job_gives_the_figures_of_one_process(
    slurm: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    words = ["prepare", "synthetic", "--split", "test", "--count", "9", "--size", "64", "-q"]
    assert hps([*words, "--out", str(people)]) == 0
    words = ["eval", "hmr.tiny", "--testset", "synthetic", "--shards", str(people), "--device=cpu"]
    assert hps([*words, "--out", str(tmp_path / "one"), "-q"]) == 0
    step = " ".join(["srun", "-n", "2", "hps", *words, "--out", str(tmp_path / "step")])
    job = submit(tmp_path, f"export OMP_NUM_THREADS=1\n{step}", "-n", "2")
    wait_for(lambda: ended(job), JOB_SECONDS, slurm)
    settings = "partition=main,time=10,cpus=1,tasks=2"
    assert hps([*words, "--out", str(tmp_path / "job"), "--slurm", settings]) == 0
    wait_for((tmp_path / "job" / "result.json").is_file, JOB_SECONDS, slurm)
    wait_for(lambda: not output("squeue", "-h").strip(), JOB_SECONDS, slurm)  # its last words
    one, two, three = (
        json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "step", "job")
    )
    assert (one["processes"], two["processes"], three["processes"]) == (1, 2, 2)
    for other in (two, three):
        assert other["protocol"] == one["protocol"] and other["data"] == one["data"]
        for name, figure in one["metrics"].items():
            assert other["metrics"][name]["n"] == 9
            assert abs(other["metrics"][name]["value"] - figure["value"]) < 1e-3  # mm


def test_a_job_that_is_warned_is_queued_again_and_goes_on(slurm: Path, tmp_path: Path) -> None:
    """What a preemption or the end of the time does: the job gets USR2 and puts itself back."""
    words = ["prepare", "synthetic", "--count", "400", "--size", "96", "--shard-samples", "4", "-q"]
    out = tmp_path / "jobs"
    settings = "partition=main,time=20,cpus=1,array=1,nodes=1"
    assert hps([*words, "--out", str(out), "--slurm", settings]) == 0
    wait_for((out / "000002.json").is_file, JOB_SECONDS, slurm)
    job = output("squeue", "-h", "-t", "running", "-o", "%F").split()[0]
    before = (out / "000000.tar").stat().st_mtime_ns
    subprocess.run(["scancel", "--signal=USR2", job], check=True)
    wait_for((out / "index.json").is_file, 2 * JOB_SECONDS, slurm)
    logs = "".join(path.read_text() for path in (tmp_path / ".jobs.jobs").glob(f"{job}_*.err"))
    logs += "".join(path.read_text() for path in (tmp_path / ".jobs.jobs").glob(f"{job}_*.out"))
    assert "Caught signal SIGUSR2" in logs and "Requeued job" in logs
    assert (out / "000000.tar").stat().st_mtime_ns == before
    index = json.loads((out / "index.json").read_text())
    assert (index["samples"], len(index["shards"])) == (400, 100)
