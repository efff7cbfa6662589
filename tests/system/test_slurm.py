"""A real Slurm on this machine, one node: the job script of docs/howto/multi-gpu.md, on the CPU.

Needs the Debian packages slurm-wlm and munge, and root, to start their daemons.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpscli.cli.app import run as hps

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        shutil.which("sbatch") is None or os.geteuid() != 0,
        reason="needs the Debian packages slurm-wlm and munge, and root",
    ),
]
START_SECONDS = 60.0
JOB_SECONDS = 180.0

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={munge}
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=60
MailProg=/bin/true
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start munge, controller and node of a cluster of one; SLURM_CONF points to it."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    (folder / "munge").chmod(0o700)
    key, munge = folder / "munge" / "key", folder / "munge" / "socket"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            controller=free_port(),
            node=free_port(),
            munge=munge,
            folder=folder,
            cpus=os.cpu_count(),
        )
    )
    os.environ["SLURM_CONF"] = str(configuration)
    own = [f"--{name}-file={folder}/munge/{name}" for name in ("log", "pid", "seed")]
    commands = [
        ["munged", "-F", "-f", f"--key-file={key}", f"--socket={munge}", *own],
        ["slurmctld", "-D", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration)],
    ]
    daemons = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.log").open("wb") as log:
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
            time.sleep(1.0)
        wait_for(lambda: "idle" in output("sinfo", "-h", "-o", "%T"), START_SECONDS, folder)
        yield folder
    finally:
        output("scancel", "--partition=main", "--quiet")
        time.sleep(2.0)  # steps that end now leave no process behind
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(20)
        del os.environ["SLURM_CONF"]


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_for(condition: object, seconds: float, folder: Path) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            logs = "\n".join(p.read_text()[-2000:] for p in sorted(folder.glob("*.log")))
            raise AssertionError(f"it did not come about in {seconds} s\n{logs}")
        time.sleep(0.5)


def submit(folder: Path, script: str, *flags: str) -> str:
    path = folder / "job.sh"
    path.write_text(f"#!/bin/bash\nexport PATH={Path(sys.executable).parent}:$PATH\n{script}\n")
    command = ["sbatch", "--parsable", f"--chdir={folder}", *flags, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ended(job: str) -> bool:
    state = output("scontrol", "show", "job", job)
    return any(word in state for word in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"))


def test_a_job_that_slurm_stops_goes_on_in_the_next(slurm: Path, tmp_path: Path) -> None:
    words = ["prepare", "synthetic", "--split", "train", "--count", "64", "--size", "64", "-q"]
    assert hps([*words, "--out", str(tmp_path / "people")]) == 0
    (tmp_path / "job.toml").write_text(
        'base = "tiny"\nname = "job"\n[data]\nworkers = 0\n'
        f'[data.mix.synthetic]\nshards = "{tmp_path / "people"}"\n'
        "[optim]\nbatch = 8\n[train]\nepochs = 1\nepoch_samples = 8000\nlog_every = 1\noverlays = 0\n"
    )
    log = tmp_path / "run" / "log.jsonl"
    training = "hps train job.toml --no-validate --gpus 2 --device cpu --out run"
    first = submit(tmp_path, f"export OMP_NUM_THREADS=1\nexec {training}", "--signal=B:TERM@30")
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) > 5, JOB_SECONDS, slurm)
    subprocess.run(["scancel", "--signal=TERM", "--batch", first], check=True)
    wait_for(lambda: ended(first), JOB_SECONDS, slurm)
    stopped = json.loads(log.read_text().splitlines()[-1])["step"]
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()
    assert stopped < 500

    again = "hps train --resume run --no-validate --gpus 2 --device cpu"
    second = submit(tmp_path, f"export OMP_NUM_THREADS=1\nexec {again}")
    wait_for(lambda: ended(second), JOB_SECONDS, slurm)
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert "COMPLETED" in output("scontrol", "show", "job", second)
    assert steps == list(range(1, 501))


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
