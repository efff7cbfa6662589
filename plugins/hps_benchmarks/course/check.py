"""What the course's scorer would say about a CSV, and what it would only punish."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.course.files import COLUMNS, LARGEST_BYTES, read
from hps_benchmarks.course.score import JOINTS
from hpscli.records import Finding

Array = NDArray[np.float64]

NAME = "test_pred_joints.csv"
REWRITE = 'numpy.savetxt("test_pred_joints.csv", joints.reshape(N, -1), delimiter=",")'
SEPARATORS = {";": "semicolons", "\t": "tabs", " ": "spaces"}
FARTHEST_M, CM = 5.0, 100.0  # no two joints of a person are so far apart, in metres
DIGITS = 6  # fewer round to more than a tenth of a millimetre
MOST = 0.9  # share of the rows that makes a doubt worth saying
FEWEST_ROWS = 20
# Places in SPIN's 49 that are one and the same joint of SMPL.
TWINS = (
    (2, 33),
    (3, 32),
    (4, 31),
    (5, 34),
    (6, 35),
    (7, 36),
    (10, 26),
    (11, 25),
    (13, 29),
    (14, 30),
)
MID_HIP, NOSE = 8, 0
LEFT, RIGHT = [28, 29, 34, 35], [27, 26, 33, 32]  # hips, knees, shoulders, elbows
TOES, HEELS = [19, 22], [21, 24]
FEW_SHOWN = 3


def check(file: Path, *, samples: int = 0, ground_truth: str = "") -> list[Finding]:
    """The CSV -> violations and doubts. `samples`: rows of the test list; `ground_truth`: its CSV."""
    found = list(_of_file(file))
    if any(finding.error for finding in found):
        return found
    lines = file.read_bytes().decode("latin1").splitlines()
    if remarks := [line for line in lines if line.startswith("#")]:
        problem = f"{len(remarks)} lines begin with #; the scorer's loader skips them."
        found.append(Finding(problem=problem, fix="Leave them out.", error=False))
        lines = [line for line in lines if not line.startswith("#")]
    table, problems = _table(lines)
    found += problems
    if table is None:
        return found
    expected = samples or (len(read(Path(ground_truth))) if ground_truth else 0)
    found += _of_rows(table, expected)
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        rows = (np.flatnonzero(bad)[:FEW_SHOWN] + 1).tolist()
        problem = (
            f"{int(bad.sum())} rows hold NaN or infinity, first {rows}: the score becomes NaN."
        )
        fix = "Predict these people again."
        found.append(Finding(problem=problem, fix=fix, place=f"row {rows[0]}"))
    found += _of_joints(table[~bad].reshape(-1, JOINTS, 3))
    if file.name != NAME:
        problem = f"the course's program calls its file {NAME}, this is {file.name}."
        found.append(Finding(problem=problem, fix=f"mv {file.name} {NAME}", error=False))
    return found


def _of_file(file: Path) -> Iterator[Finding]:
    """-> what is wrong with the bytes, before they are a table."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(1 << 16)
    if not size:
        yield Finding(problem="the file is empty.", fix=REWRITE)
    elif size > LARGEST_BYTES:
        problem = f"the file has {size >> 20} MB, a row has 4 kB."
        yield Finding(problem=problem, fix="One row for each person of the test list.")
    elif head.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        yield Finding(problem="it is packed.", fix=f"Unpack it and upload {NAME} itself.")
    elif head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head:
        problem = "it is not ASCII text (UTF-16, or an array in binary)."
        yield Finding(problem=problem, fix=REWRITE)
    elif head.startswith(b"\xef\xbb\xbf"):
        problem = "it begins with a byte order mark, which the scorer takes for a part of a number."
        yield Finding(problem=problem, fix="Save it as plain ASCII or UTF-8 without a mark.")
    if b"\r\n" in head:
        problem = "its lines end as on Windows (CR LF); the course's program writes LF."
        yield Finding(problem=problem, fix=f"sed -i 's/\\r$//' {NAME}", error=False)


def _table(lines: list[str]) -> tuple[Array | None, list[Finding]]:
    """Lines -> numbers (N,147) and what is wrong; None when there is no such table."""
    first = lines[0] if lines else ""
    found: list[Finding] = []
    if "," not in first:
        used = next((name for sign, name in SEPARATORS.items() if sign in first.strip()), "")
        problem = f"numbers are separated by {used}." if used else "its first row holds one number."
        return None, [Finding(problem=problem, fix='Separate them by commas: delimiter=","')]
    words = [cell for cell in first.split(",") if not _numbers([cell])]
    if 2 * len(words) > first.count(","):
        problem = "its first line is no row of numbers: there must be no header."
        fix = "Leave out the names of the columns (pandas: header=False, index=False)."
        return None, [Finding(problem=problem, fix=fix, place="row 1")]
    counts = np.array([line.count(",") + 1 for line in lines if line.strip()])
    common = int(np.bincount(counts).argmax())
    if common != COLUMNS:
        problem = f"rows have {common} columns, it has to be {COLUMNS}: 49 joints x 3."
        return None, [Finding(problem=problem, fix=_columns(lines, common), place="row 1")]
    uneven = np.flatnonzero(counts != common)
    if len(uneven):
        row = int(uneven[0]) + 1
        problem = f"row {row} has {counts[uneven[0]]} columns, the others have {common}."
        fix = "Write every person whole; was the file cut short?"
        return None, [Finding(problem=problem, fix=fix, place=f"row {row}")]
    rows = []
    for number, line in enumerate(lines):
        if line.strip():
            values = _numbers(line.split(","))
            if values is None:
                cell = next(c for c in line.split(",") if _numbers([c]) is None)
                problem = f"'{cell[:20]}' is no number."
                fix = "Write every coordinate as 1.234567e-01."
                return None, [Finding(problem=problem, fix=fix, place=f"row {number + 1}")]
            rows.append(values)
    digits = max(len(cell.strip().lstrip("-0.").replace(".", "")) for cell in first.split(","))
    if digits < DIGITS:
        problem = (
            f"numbers have {digits} digits, which rounds to more than a tenth of a millimetre."
        )
        found.append(Finding(problem=problem, fix=f"{REWRITE} writes 18.", error=False))
    return np.array(rows, np.float64), found


def _numbers(cells: list[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def _columns(lines: list[str], count: int) -> str:
    """-> what was probably written, by the number of columns."""
    firsts = [line.partition(",")[0] for line in lines[:50]]
    counted = [str(number) for number in range(len(firsts))]
    if count == COLUMNS + 1 and [cell.partition(".")[0] for cell in firsts] == counted:
        return "Leave out the numbers of the rows (pandas: index=False)."
    if count == 2 * COLUMNS:
        return "Write a point in decimals, no comma."
    known = {72: "24 joints", 42: "14 joints", 51: "17 joints", 98: "2D joints", 132: "44 joints"}
    if count in known:
        return f"{known[count]} were written; all 49 of SPIN are wanted, from the mesh."
    if count == JOINTS:
        return "Three numbers for each joint: joints.reshape(N, -1)"
    return "Joint after joint, x, y, z: joints (N,49,3).reshape(N, 147)"


def _of_rows(table: Array, expected: int) -> Iterator[Finding]:
    if len(table) == 1 and expected != 1:
        problem = "there is a single row, which the scorer's loader takes for a column."
        yield Finding(problem=problem, fix="One row for each person of the test list.")
    if expected and len(table) != expected:
        problem = f"there are {len(table)} rows, the test list has {expected}."
        yield Finding(
            problem=problem, fix="One row for each person, in the order of the test file."
        )
    elif not expected:
        problem = f"{len(table)} rows; how many the test list has is not known here."
        fix = "Say it: samples=N, or ground_truth=FILE.csv"
        yield Finding(problem=problem, fix=fix, error=False)
    if len(table) > 1 and (table == table[0]).all():
        problem = "all rows are the same person."
        yield Finding(problem=problem, fix="Was the network trained and fed?", error=False)


def _of_joints(joints: Array) -> Iterator[Finding]:
    """joints (N,49,3) -> unit, order, frame."""
    if not len(joints):
        return
    size = float(np.median(np.ptp(joints, axis=1).max(axis=1)))
    if size > FARTHEST_M:
        unit, factor = ("millimetres", 1000) if size > CM * FARTHEST_M else ("centimetres", 100)
        problem = f"people are {size:.0f} tall: these are {unit}, not metres."
        yield Finding(problem=problem, fix=f"Divide by {factor}.")
    if not np.abs(joints[:, MID_HIP]).any() or not np.abs(joints[:, NOSE]).any():
        problem = "joints are counted from the pelvis or the nose; the true ones are not."
        fix = "Write them as the body model gives them, before anything is subtracted."
        yield Finding(problem=problem, fix=fix, error=False)
    apart = max(float(np.abs(joints[:, a] - joints[:, b]).max()) for a, b in TWINS)
    if apart > 1e-4 * max(size, 1e-9):
        problem = (
            "shoulders, elbows, wrists, knees or ankles of OpenPose's half differ from the other "
            "half, where they are the same joints of SMPL."
        )
        fix = "Check the order: joint after joint, x, y, z each; 25 of OpenPose first, then 24."
        yield Finding(problem=problem, fix=fix, error=False)
        return
    if len(joints) < FEWEST_ROWS:
        return
    up = joints[:, NOSE] - joints[:, MID_HIP]
    forward = joints[:, TOES].mean(axis=1) - joints[:, HEELS].mean(axis=1)
    left = joints[:, LEFT].mean(axis=1) - joints[:, RIGHT].mean(axis=1)
    inside_out = np.einsum("ni,ni->n", left, np.cross(up, forward)) < 0
    if inside_out.mean() > MOST:
        problem = f"{int(inside_out.sum())} of {len(joints)} bodies are mirrored."
        fix = "Check left and right, and whether pictures were flipped."
        yield Finding(problem=problem, fix=fix, error=False)
    if (up[:, 1] > 0).mean() > MOST:
        problem = (
            f"in {int((up[:, 1] > 0).sum())} of {len(joints)} rows the head is below the hips."
        )
        fix = "Give joints in the camera's frame: y points down."
        yield Finding(problem=problem, fix=fix, error=False)
