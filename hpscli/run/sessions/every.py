"""--testset all: every test set whose people are here, one after the other, and why the others are not."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpscli.atomic import write_atomically
from hpscli.errors import HpsError, MissingError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import samples_path
from hpscli.registry import Registry
from hpscli.run.places import find_shards, new_result_file
from hpscli.run.sessions.choice import all_protocols
from hpscli.run.sessions.request import Request
from hpscli.run.sessions.saying import Say
from hpscli.run.sessions.session import Done, Opened, Progress, evaluate_one, opened_session

FILE = "all.json"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A protocol that was not measured, and what to do about it."""

    protocol: str
    reason: str
    fix: str = ""
    failed: bool = False  # its people are here, and measuring them ended with an error


@dataclass(frozen=True, kw_only=True)
class Everything:
    """Results with their files, what was left out, and the document about all of it."""

    done: tuple[Done, ...]
    left_out: tuple[LeftOut, ...]
    file: Path

    def document(self) -> dict[str, Any]:
        """-> plain values."""
        return {
            "results": [
                {
                    **result.document(),
                    "samples_file": str(samples_path(file)),
                    "file": str(file),
                }
                for result, file, _ in self.done
            ],
            "left_out": [vars(entry) for entry in self.left_out],
        }


def run_all(request: Request, say: Say, progress: Progress) -> Everything | None:
    """The model, loaded once, on every test set for its body; None on quiet processes of a group."""
    with opened_session(request, say, progress) as (session, found):
        folder = new_result_file(request.out, found.name).parent
        wanted = all_protocols(session.registry, found.body.kind, found.models)
        done: list[Done] = []
        left_out: list[LeftOut] = []
        for spec in wanted:
            try:
                find_shards(spec, "", session.registry)
            except MissingError as error:
                left_out.append(LeftOut(protocol=spec.name, reason=error.problem, fix=error.fix))
                continue
            session.say("", "")
            try:
                one = evaluate_one(session, found, spec, folder / spec.name.replace("/", "-"))
            except HpsError as error:
                left_out.append(
                    LeftOut(protocol=spec.name, reason=error.problem, fix=error.fix, failed=True)
                )
                continue
            if one:
                done.append(one)
        if not session.first:
            return None
        left_out += other_bodies(session.registry, found, wanted)
    return _saved(tuple(done), tuple(left_out), folder)


def _saved(done: tuple[Done, ...], left_out: tuple[LeftOut, ...], folder: Path) -> Everything:
    if not done:
        first = next((entry for entry in left_out if entry.fix), None)
        raise MissingError(
            f"none of {len(left_out)} test sets could be measured.\n"
            + "\n".join(f"{entry.protocol}: {entry.reason}" for entry in left_out),
            first.fix if first else "",
        )
    found = Everything(done=done, left_out=left_out, file=folder / FILE)
    document = {"schema": "hps/eval-all/1", **found.document()}
    write_atomically(found.file, (json.dumps(document, indent=2) + "\n").encode())
    return found


def other_bodies(registry: Registry, found: Opened, wanted: list[ProtocolSpec]) -> list[LeftOut]:
    """-> the default protocols of other bodies."""
    specs: list[ProtocolSpec] = registry.all("protocol")
    kind = found.body.kind
    return [
        LeftOut(
            protocol=spec.name,
            reason=f"it is for {spec.body}, {found.name} predicts {kind}.",
            fix=f"hps eval CHECKPOINT --testset {spec.name.partition('@')[0]}",
        )
        for spec in specs
        if spec.default and spec.body != kind and spec not in wanted
    ]
