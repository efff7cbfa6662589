"""A predictions.zip under AGORA's rules: archive, names, pickles, people, and all of them together."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hps_benchmarks.agora.submission.people import track_of
from hps_benchmarks.agora.submission.person_checks import check_person, doubt, violation
from hps_benchmarks.agora.submission.pictures import listed_pictures, picture_findings
from hps_benchmarks.agora.submission.reading import MAX_BYTES, MAX_FILES, NAME
from hps_benchmarks.agora.submission.together import Together
from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.leaderboard.pickles import NEW, Inspected, inspect_pickle
from hpscli.data.leaderboard.zips import Opened, open_zip
from hpscli.errors import HpsError, UsageError
from hpscli.records import Finding

FOLDER = "predictions"
TRACKS = ("auto", "smplx", "smpl")
PLAIN = ("numpy", "_codecs", "collections", "builtins", "__builtin__", "copy_reg", "copyreg")
OLD_PYTHON_PROTOCOL = 4  # AGORA's documents ask for Python 3.8; servers before it stop at 4
SHOWN = 3  # names in a message


@dataclass
class Gathered:
    """Findings, each once: where it was first seen and how often."""

    first: dict[tuple[str, str, bool], str] = field(default_factory=dict)
    count: Counter[tuple[str, str, bool]] = field(default_factory=Counter)

    def add(self, finding: Finding, place: str = "") -> None:
        key = finding.problem, finding.fix, finding.error
        self.first.setdefault(key, finding.place or place)
        self.count[key] += 1

    def findings(self) -> list[Finding]:
        """-> violations first; how many files have it is said at the end of the sentence."""
        found = []
        for (problem, fix, error), place in self.first.items():
            times = self.count[problem, fix, error]
            more = f" (in {times} files, this is the first)" if times > 1 else ""
            found.append(Finding(problem=problem + more, fix=fix, place=place, error=error))
        return sorted(found, key=lambda finding: not finding.error)


def check(
    file: Path, *, track: str = "auto", images: str = "", layout: str = "checker"
) -> list[Finding]:
    """A zip -> what is wrong with it; `images`: a list of the pictures, or their boxes.

    `layout` osx: the leading axis of OSX's joints is only doubted.
    """
    if track not in TRACKS:
        raise UsageError(f"track={track}?", f"One of: {', '.join(TRACKS)}")
    expected = listed_pictures(Path(images)) if images else None
    gathered = Gathered()
    opened = open_zip(file, largest_bytes=MAX_BYTES, members=MAX_FILES)
    names = list(_in_folder(opened, gathered))
    people = dict(_contents(opened, names, gathered))
    for finding in opened.findings:
        gathered.add(finding)
    chosen = track if track != "auto" else _majority(people)
    together = Together(chosen)
    for name, content in people.items():
        if chosen and (other := track_of(content)) not in ("", chosen):
            gathered.add(_other_track(chosen, other, track), name)
            continue
        findings = list(check_person(content, chosen or "smplx", osx_layout=layout == "osx"))
        for finding in findings:
            gathered.add(finding, name)
        if not any(finding.error for finding in findings):
            together.add(name, content)
    for finding in together.findings():
        gathered.add(finding)
    for finding in picture_findings([PurePosixPath(name).name for name in names], expected):
        gathered.add(finding)
    return gathered.findings()


def _in_folder(opened: Opened, gathered: Gathered) -> Iterator[str]:
    """-> the members that the server looks at, under their names; the others are findings."""
    inside = [name for name in opened.names if name.startswith(f"{FOLDER}/")]
    outside = [name for name in opened.names if name not in set(inside)]
    pickles = [name for name in outside if name.endswith(".pkl")]
    if not inside and not opened.findings:
        problem = f"there is no file in {FOLDER}/: the server finds no prediction."
        fix = (
            f"Put the pickles into a folder {FOLDER} and zip that: zip -r predictions.zip {FOLDER}"
        )
        gathered.add(violation(problem, fix), _some(pickles))
    elif outside:
        problem = f"{len(outside)} members are not in {FOLDER}/; nobody looks at them."
        fix = f"Move them into {FOLDER}/." if pickles else "Leave them out."
        gathered.add((violation if pickles else doubt)(problem, fix), _some(outside))
    for name in inside:
        if name.count("/") > 1:
            problem = (
                f"it lies in a folder inside of {FOLDER}/: the server tries to read the folder."
            )
            gathered.add(violation(problem, f"Put all pickles directly into {FOLDER}/."), name)
        elif not NAME.match(PurePosixPath(name).name):
            gathered.add(
                violation(
                    "its name is not <image>_personId_<number>.pkl, and every file here is read.",
                    "Rename it: ag_testset_x_00001_personId_0.pkl; remove what is no prediction.",
                ),
                name,
            )
        else:
            yield name


def _contents(
    opened: Opened, names: list[str], gathered: Gathered
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """-> what the pickles hold that can be read without running anything."""
    for name, data in opened.contents(names):
        asked = inspect_pickle(data)
        wrong = list(_pickle_findings(asked, data))
        for finding in wrong:
            gathered.add(finding, name)
        if asked.damage or any(_strange(module) for module in asked.modules):
            continue
        try:
            content = loads_pickle(data, name)
        except HpsError as error:
            gathered.add(violation(error.problem.replace(name, "it"), error.fix), name)
            continue
        if not isinstance(content, dict):
            gathered.add(violation("it holds no dictionary.", "Pickle one dictionary."), name)
        elif not any(finding.error and "torch" in finding.problem for finding in wrong):
            yield name, content


def _pickle_findings(asked: Inspected, data: bytes) -> Iterator[Finding]:
    to_numpy = "Write value.detach().cpu().numpy() for every tensor, then pickle."
    if data.startswith(b"PK"):
        yield violation("it was written by torch.save, which is no pickle.", to_numpy)
    elif asked.damage:
        yield violation(f"it is no whole pickle ({asked.damage}).", "Write it again.")
    if any(module.split(".")[0] == "torch" for module in asked.modules):
        yield violation("it holds torch tensors; the server wants NumPy arrays.", to_numpy)
    unsafe = [m for m in asked.modules if _strange(m) and m.split(".")[0] != "torch"]
    if unsafe:
        names = ", ".join(name for name in asked.names if name.partition(" ")[0] in unsafe)
        yield violation(
            f"it asks for {names}: that is no data. It was not opened.",
            "Pickle a dictionary of NumPy arrays, numbers and text only.",
        )
    if any(module.startswith(NEW) for module in asked.modules):
        yield violation(
            "it was pickled with NumPy 2 (numpy._core): a server with NumPy before 1.26 cannot load it.",
            "Pickle with NumPy 1, or repack: hps export-preds agora --checkpoint FILE.zip",
        )
    if asked.protocol > OLD_PYTHON_PROTOCOL:
        yield doubt(
            f"it has pickle protocol {asked.protocol}, which Python before 3.8 cannot read.",
            "pickle.dump(value, file, protocol=2)",
        )


def _strange(module: str) -> bool:
    return module.split(".")[0] not in PLAIN or module.startswith(
        ("builtins.", "__builtin__.", "numpy.testing", "numpy.distutils", "numpy.f2py")
    )


def _majority(people: Mapping[str, Mapping[str, Any]]) -> str:
    tracks = Counter(filter(None, map(track_of, people.values())))
    return tracks.most_common(1)[0][0] if tracks else ""


def _other_track(chosen: str, other: str, asked: str) -> Finding:
    whole = f"the submission is {'checked' if asked != 'auto' else 'for the most part'} {chosen}"
    return violation(
        f"it is somebody of the {other} track, and {whole}.",
        "One submission holds one track; send the other people in a zip of their own.",
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
