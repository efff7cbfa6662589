"""Official files -> the asset store: read, recognise, check, write, and say what happened."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hpscli.body.assets.files import asset_path, have_asset, read_asset_meta, write_asset
from hpscli.body.assets.sources import asset_record
from hpscli.body.official.archives import Member, arrays_of, members
from hpscli.body.official.content import describe, read_content
from hpscli.body.official.found import Found, Piece, Unneeded
from hpscli.body.official.poses import join_amass
from hpscli.body.official.recognise import ACCEPTED, recognise
from hpscli.body.official.sampling import join_adjacency
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError

GENDERS = ("", "neutral", "female", "male")
NEIGHBOUR_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of one file."""

    source: str  # the file, or "archive: member"
    status: str  # imported | replaced | present | unneeded | unknown | refused
    id: str = ""
    what: str = ""
    note: str = ""
    path: Path | None = None
    sha256: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    error: HpsError | None = None


def import_path(path: Path | str, *, gender: str = "", force: bool = False) -> list[Imported]:
    """-> what became of every file at `path`: a file, an archive as downloaded, or a folder.

    A single file that cannot be used is an error; in folders and archives it is an entry.
    """
    path = Path(path).expanduser()
    _check_gender(path, gender)
    results: list[Imported] = []
    pieces: list[tuple[Piece, Imported]] = []
    for source, read in _readable(path):
        if isinstance(read, HpsError):
            results.append(Imported(source=source, status="refused", error=read, note=read.problem))
            continue
        if gender and read.where != str(path):
            raise _not_for_many(path, "an archive", gender)
        for result, piece in _take_all(read, gender, force, results):
            if piece:
                pieces.append((piece, result))
            else:
                results.append(result)
    results += _join(path, pieces, force)
    _complain(path, results)
    return results


def _check_gender(path: Path, gender: str) -> None:
    if gender not in GENDERS:
        raise UsageError(f"no gender '{gender}'.", "Known: neutral, female, male")
    if gender and path.is_dir():
        raise _not_for_many(path, "a folder", gender)


def _not_for_many(path: Path, what: str, gender: str) -> UsageError:
    return UsageError(
        f"--gender is for one file, and {path} is {what}.",
        f"Take the file out, and: hps assets import FILE --gender {gender}",
    )


def _readable(path: Path) -> Iterator[tuple[str, Member | HpsError]]:
    """-> every member; in a folder, a file that cannot be read does not stop the others."""
    if not path.exists():
        raise MissingError(f"there is no file or folder {path}.", "Check the path.")
    if not path.is_dir():
        yield from ((member.where, member) for member in members(path))
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            try:
                yield from ((member.where, member) for member in members(file))
            except HpsError as error:
                yield str(file), error


def _take_all(
    member: Member, gender: str, force: bool, earlier: list[Imported]
) -> list[tuple[Imported, Piece | None]]:
    """-> what became of a member; of an .npz that is nothing as a whole, of each of its arrays."""
    whole = _take(member, gender, force, earlier)
    if member.form != "npz" or whole[0].status != "unknown" or whole[1]:
        return [whole]
    single = [_take(array, gender, force, earlier) for array in arrays_of(member)]
    known = [taken for taken in single if taken[0].id or taken[0].status == "unneeded"]
    return known or [whole]


def _take(
    member: Member, gender: str, force: bool, earlier: list[Imported]
) -> tuple[Imported, Piece | None]:
    """-> what became of one member, and the piece when it is a part of something."""
    digest = hashlib.sha256(member.data).hexdigest()
    base = Imported(source=member.where, status="unknown", sha256=digest)
    try:
        content = read_content(member)
        result = recognise(content, member.name, gender)
    except HpsError as error:
        return replace(base, status="refused", error=error, note=error.problem), None
    if result is None:
        return replace(base, what=describe(content)), None
    if isinstance(result, Unneeded):
        return replace(base, status="unneeded", what=result.what), None
    if isinstance(result, Piece):
        piece = replace(result, where=Path(member.name).name, sha256=digest)
        return replace(base, what=describe(content)), piece
    return _store(result, base, force, earlier), None


def _store(found: Found, base: Imported, force: bool, earlier: list[Imported]) -> Imported:
    record = asset_record(found.id)
    base = replace(base, id=found.id, what=record.what, path=asset_path(found.id), meta=found.meta)
    twin = next((r for r in earlier if r.id == found.id and r.status != "refused"), None)
    if twin:
        return replace(base, status="present", note=f"the same asset as {twin.source}")
    replaced = have_asset(found.id)
    if replaced and not force:
        reason = _why_keep(found, base.sha256)
        if reason:
            return replace(base, status="present", note=reason)
    meta = {
        **found.meta,
        "source": _name_without_folder(base.source),
        "sha256": base.sha256,
        "licence": record.source.licence,
    }
    write_asset(found.id, found.arrays, meta)
    return replace(base, status="replaced" if replaced else "imported", note=found.note)


def _why_keep(found: Found, sha256: str) -> str:
    """-> why the stored asset stays, or "" when the new one holds more."""
    stored = read_asset_meta(found.id)
    if stored.get("sha256") == sha256:
        return "already there, from this very file"
    old, new = stored.get("joints"), found.meta.get("joints")
    if isinstance(old, list) and isinstance(new, list) and set(new) > set(old):
        return ""  # the same joints and more
    return f"already there, from {stored.get('source')}; --force replaces it"


def _join(path: Path, pieces: list[tuple[Piece, Imported]], force: bool) -> list[Imported]:
    """Parts -> assets; parts that stay alone are unknown files."""
    results: list[Imported] = []
    motions = [(piece, base) for piece, base in pieces if piece.kind == "amass"]
    if motions:
        base = replace(motions[0][1], source=str(path), sha256=_joint_digest(motions))
        results.append(_store(join_amass([piece for piece, _ in motions]), base, force, []))
    rest = [(piece, base) for piece, base in pieces if piece.kind == "adjacency"]
    if not rest:
        return results
    known = [piece for piece, _ in rest]
    neighbours = [] if path.is_dir() else _neighbours(path)
    for index in [piece for piece in known + neighbours if piece.part == "index"]:
        found = join_adjacency([index, *(p for p in known + neighbours if p.part == "value")])
        if found and (index in known or any(p.where in found.meta["parts"] for p in known)):
            base = replace(rest[0][1], source=" + ".join(found.meta["parts"]), sha256=index.sha256)
            results.append(_store(found, base, force, results))
    if all(piece.part == "shape" for piece in known):
        what = "the size of an adjacency matrix, which its two other files say, too"
        return [replace(base, status="unneeded", what=what) for _, base in rest]
    return results or [base for _, base in rest]


def _neighbours(path: Path) -> list[Piece]:
    """The triples come as three files: given one, look at the small files beside it."""
    pieces = []
    for file in sorted(path.parent.glob("*.pt")):
        if file == path or not file.is_file() or file.stat().st_size >= NEIGHBOUR_BYTES:
            continue
        with suppress(HpsError):  # nobody asked for this file: what is wrong with it is no matter
            for member in members(file):
                found = recognise(read_content(member), member.name)
                if isinstance(found, Piece):
                    digest = hashlib.sha256(member.data).hexdigest()
                    pieces.append(replace(found, where=file.name, sha256=digest))
    return pieces


def _joint_digest(motions: list[tuple[Piece, Imported]]) -> str:
    return hashlib.sha256("".join(base.sha256 for _, base in motions).encode()).hexdigest()


def _complain(path: Path, results: list[Imported]) -> None:
    """Raise what is the whole answer: one bad file, or nothing of use at all."""
    useful = [result for result in results if result.status not in ("unknown", "refused")]
    if useful:
        return
    if len(results) == 1 and results[0].error:
        raise results[0].error
    if not results:
        raise InvalidData(
            f"{path} holds no file that hps reads (pickle, .npy, .npz, .pt, or an archive of them).",
            f"{ACCEPTED}\nWeights of a model have a command of their own: hps models import FILE",
        )
    if len(results) == 1:
        raise InvalidData(
            f"{results[0].source} holds {results[0].what}: none of the files that hps knows.",
            ACCEPTED,
        )
    refused = [result for result in results if result.status == "refused"]
    if not refused:
        shown = "; ".join(f"{Path(r.source).name}: {r.what}" for r in results[:3])
        raise InvalidData(f"nothing in {path} is a file that hps knows ({shown}).", ACCEPTED)


def _name_without_folder(source: str) -> str:
    """Where a file lay on this machine is nobody's business; its name is."""
    outer, colon, inner = source.partition(": ")
    return f"{Path(outer).name}{colon}{inner}"
