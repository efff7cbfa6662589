"""A Slurm of one node on this machine: controller, node and munge, for tests and for trying things.

    python tests/system/one_node_slurm.py FOLDER

starts it in FOLDER, says what to type in another terminal, and ends it on Ctrl-C. Needs root and the
Debian packages slurm-wlm and munge. Two partitions share the node: a job of `urgent` takes the place of
one in `main`, which gets a warning (SIGTERM), some seconds to save, and is queued again.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hpscli.train.scaling.launch import meeting_port

START_SECONDS = 60.0
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={munge},cred_expire=15
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=60
MailProg=/bin/true
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


@contextmanager
def one_node_slurm(folder: Path) -> Iterator[Path]:
    """Start munge, controller and node; within it SLURM_CONF points to this cluster -> its folder."""
    with meeting_port() as controller, meeting_port() as node, _cluster(folder, controller, node):
        yield folder


@contextmanager
def _cluster(folder: Path, controller: int, node: int) -> Iterator[None]:
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "munge").chmod(0o700)
    key, munge = folder / "munge" / "key", folder / "munge" / "socket"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            controller=controller,
            node=node,
            munge=munge,
            folder=folder,
            cpus=os.cpu_count(),
        )
    )
    own = [f"--{name}-file={folder}/munge/{name}" for name in ("log", "pid", "seed")]
    commands = [
        ["munged", "-F", "-f", f"--key-file={key}", f"--socket={munge}", *own],
        ["slurmctld", "-D", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration)],
    ]
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(configuration)
    daemons = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.log").open("wb") as log:
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
            time.sleep(1.0)
        wait_for(lambda: "idle" in output("sinfo", "-h", "-o", "%T"), START_SECONDS, folder)
        yield
    finally:
        output("scancel", "--user=root", "--quiet")
        time.sleep(2.0)  # steps that end now leave no process behind
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(20)
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def output(*command: str) -> str:
    """-> what a command prints, "" when it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_for(condition: Callable[[], object], seconds: float, folder: Path) -> None:
    """Return when the condition holds; raise with the logs of this folder when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(p.read_text()[-2000:] for p in sorted(folder.rglob("*.log")))
            raise AssertionError(f"it did not come about in {seconds} s\n{logs}")
        time.sleep(0.5)


def main() -> None:
    """Run the cluster until Ctrl-C."""
    if len(sys.argv) != 2:
        sys.exit("python tests/system/one_node_slurm.py FOLDER     (a new one)")
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell runs it behind
        signal.signal(number, signal.default_int_handler)
    with one_node_slurm(Path(sys.argv[1]).absolute()) as folder:
        print(f"It runs. In another terminal:\n\nexport SLURM_CONF={folder}/slurm.conf\nsinfo\n")
        print("Ctrl-C ends it.", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
