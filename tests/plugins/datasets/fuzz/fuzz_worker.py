"""Reads damaged copies of data sets, each in a process of its own with little memory and time.

stdin: {"fixtures": DIR, "tries": [{dataset, fixture, split, options, seeds}, ...]} as JSON.
stdout: for each try that is not as it should be, one line of JSON: dataset, seed, what was done, why.
"""

import importlib
import itertools
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))

from mutations import copied, damage

from hpscli.data.people import Layout
from hpscli.data.prepare import checked_source
from hpscli.data.preparing.checking import check_people
from hpscli.errors import HpsError
from hpscli.hooks import DatasetSpec
from hpscli.registry import get_registry, resolve

MEMORY = 1 << 30  # bytes that a reader may take beyond what is there before it starts
SECONDS = 20  # by the clock: other tests run beside
PEOPLE = 300  # more than any fixture has: a reader without end is stopped here
LONGEST_LINE = 1000
USED = ("cv2", "h5py", "av", "scipy.io", "scipy.spatial.transform", "PIL.Image", "sqlite3")
OPENED_UNSEEN = (".h5", ".mat", ".cdf", ".mp4", ".avi")  # libraries open these by themselves
ADDRESS = re.compile(r"0x[0-9a-f]{8,}")  # differs from run to run, and bad records are written down
FOREIGN = re.compile(r"^\w*(Error|Exception|Warning): ")  # a plugin's own error, caught by the core


def main() -> None:
    order = json.load(sys.stdin)
    fixtures = Path(order["fixtures"])
    for name in USED:  # imported once; nothing is run here, for threads do not survive a fork
        importlib.import_module(name)
    known: dict[str, list[str]] = {}
    for one in order["tries"]:
        word = json.dumps({**one, "seeds": []}, sort_keys=True)
        resolve(spec_of(one).people or spec_of(one).samples)
        if word not in known:
            opened, why = in_a_child(partial(read_sound, fixtures, one))
            known[word] = json.loads(opened or "[]")
            if why:
                tell(one, 0, "nothing", why)
        for seed in one["seeds"]:
            done, why = in_a_child(partial(attempt, fixtures, one, seed, known[word]))
            if why:
                tell(one, seed, done, why)


def tell(one: dict[str, Any], seed: int, done: str, why: str) -> None:
    print(json.dumps({**one, "seeds": [seed], "done": done, "why": why}), flush=True)


def spec_of(one: dict[str, Any]) -> DatasetSpec:
    return get_registry().dataset(one["dataset"])


def read_sound(fixtures: Path, one: dict[str, Any]) -> str:
    """Read the sound folder, send the files that were opened -> what goes wrong even there."""
    root, opened = (fixtures / one["fixture"]).resolve(), set[Path]()

    def note(event: str, values: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(values[0], str | bytes | os.PathLike):
            opened.add(Path(os.fsdecode(values[0])).resolve())

    sys.addaudithook(note)
    try:
        return complaint(root, one)
    finally:
        unseen = [path for path in root.rglob("*") if path.suffix in OPENED_UNSEEN]
        inside = [p for p in (*opened, *unseen) if p.is_relative_to(root) and p.is_file()]
        send(json.dumps(sorted({str(path.relative_to(root)) for path in inside})))


def attempt(fixtures: Path, one: dict[str, Any], seed: int, likely: list[str]) -> str:
    """Damage a copy, send what was done, read it -> what is wrong with what came out."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="hps-fuzz-") as folder:
        root = Path(folder) / one["fixture"]
        copied(fixtures / one["fixture"], root)
        send("; ".join(damage(chance, root, likely) for _ in range(chance.choice((1, 1, 2)))))
        return complaint(root, one)


def complaint(root: Path, one: dict[str, Any]) -> str:
    """Read a folder as people do, as --check does -> what must not come out of that, or ""."""
    spec = spec_of(one)
    options = {**spec.options, **one["options"]}
    lines: list[str] = []  # an error that ends everything may name the folder, a record may not
    try:
        found = resolve(spec.people or spec.samples)(root, one["split"], **options)
        errors = [e for e in itertools.islice(found, PEOPLE) if isinstance(e, HpsError)]
        lines += [error.problem.replace(str(root), "") for error in errors]
    except HpsError as error:
        lines.append(error.problem.replace(str(root), ""))
    try:
        lines += checked(root, one, options)
    except HpsError as error:
        lines.append(error.problem.replace(str(root), ""))
    for line in lines:
        if "\n" in line.strip() or len(line) > LONGEST_LINE:
            return f"not one clear line: {line[:300]!r}"
        if FOREIGN.match(line):
            return f"not in words for a user: {line[:300]}"
        if str(root) in line:
            return f"a path of this machine: {line[:300]}"
        if ADDRESS.search(line):
            return f"an address in memory: {line[:300]}"
    return ""


def checked(root: Path, one: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """-> what `--check` says of bad records."""
    spec = spec_of(one)
    source = checked_source(spec, root, one["split"], options, Layout(kind="crop"))
    with tempfile.TemporaryDirectory(prefix="hps-out-") as out:
        return [bad.problem for bad in check_people(source, Path(out), limit=PEOPLE).bad]


def place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


outlet: list[int] = []  # in a child: the pipe to its parent


def send(text: str) -> None:
    os.write(outlet[0], f"{text}\n".encode())


def in_a_child(work: Callable[[], str]) -> tuple[str, str]:
    """Run in a process with limits -> what it sent, and its answer or how it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        outlet[:] = [writing]
        run_limited(work)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        sent, _, answer = pipe.read().decode(errors="replace").partition("\n")
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        late = "longer than is sensible" if number == signal.SIGALRM else ""
        return sent, late or f"killed by {signal.Signals(number).name}"
    return sent, answer.rstrip("\n")


def run_limited(work: Callable[[], str]) -> NoReturn:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(int(os.environ.get("FUZZ_SECONDS", SECONDS)))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # codecs write there
    try:
        answer = work()
    except MemoryError as error:
        answer = f"more memory than is sensible ({place_of(error)})"
    except Exception as error:
        answer = f"{type(error).__name__}: {error} ({place_of(error)})"
    send(answer.replace("\n", " "))
    os._exit(0)


if __name__ == "__main__":
    main()
