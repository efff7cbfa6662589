"""The official rules for one person's dictionary, and what the server only punishes later.

Read in agora_evaluation/check_pred_format.py and get_joints_verts_from_dataframe.py (8c9dece).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hps_benchmarks.agora.posing import HANDS
from hps_benchmarks.agora.submission.people import COUNTS, VERTICES
from hpscli.body.parameters import PARAMETERS
from hpscli.records import Finding

GENDERS = ("male", "female", "neutral")
BETAS, KID_BETAS, MOST_BETAS = 10, 11, 299
JOINTS_2D = 24
LARGEST_METRES = 20.0  # from one joint or vertex of a person to another
NOT_TURNED = 1e-2  # how far a rotation matrix may be from one
KNOWN = ("joints", "params", "allSmplJoints3d", "verts", "gender", "num_betas", "kid_flag")
REST = ("pose2rot", "age")


def violation(problem: str, fix: str) -> Finding:
    """-> what the server refuses, or scores wrongly for certain."""
    return Finding(problem=problem, fix=fix)


def doubt(problem: str, fix: str) -> Finding:
    """-> what the server takes, and what may cost points."""
    return Finding(problem=problem, fix=fix, error=False)


def check_person(content: Any, track: str, *, osx_layout: bool = False) -> Iterator[Finding]:
    """One file's content -> everything that is wrong with it, place left open."""
    if not isinstance(content, Mapping):
        yield violation("it holds no dictionary.", "Pickle one dictionary for each person.")
        return
    yield from _joints2d(content, track, osx_layout)
    yield from _switches(content, track)
    given = [name for name in ("allSmplJoints3d", "verts") if name in content]
    if len(given) == 2:
        yield from _mesh(content, track)
    elif "allSmplJoints3d" in given:
        yield violation(
            "allSmplJoints3d is there without verts: the server takes the joints, poses nothing and "
            "stops for want of vertices.",
            "Add verts, or leave out allSmplJoints3d and give params.",
        )
    elif isinstance(content.get("params"), Mapping):
        yield from _parameters(content, track)
    else:
        yield violation(
            "there are neither params nor both allSmplJoints3d and verts.",
            "Give params (a dictionary), or joints and vertices in metres.",
        )
    for name in content:
        if name not in (*KNOWN, *REST):
            yield doubt(f"the key '{name}' means nothing to the server.", "Leave it out.")


def _joints2d(content: Mapping[str, Any], track: str, osx_layout: bool) -> Iterator[Finding]:
    if "joints" not in content:
        yield violation(
            "'joints' is missing: people are matched by it.",
            "Add joints (24,2): the projected joints in pixels of the 3840x2160 picture.",
        )
        return
    wrong = list(_array("joints", content["joints"]))
    yield from wrong
    if wrong:
        return
    joints = np.asarray(content["joints"])
    flat = np.squeeze(joints)
    if flat.ndim != 2 or flat.shape[1] < 2 or len(flat) < JOINTS_2D:
        yield violation(
            f"joints has shape {joints.shape}, not (24 or more, 2).",
            "Give the projections of the body's first 24 joints, x and y in pixels.",
        )
    elif joints.ndim != 2 and track == "smplx":
        make = doubt if osx_layout else violation
        yield make(
            f"joints has shape {joints.shape}: the official format checker refuses the leading axis "
            "(the evaluation squeezes it, so OSX's files were scored).",
            "Write joints[0], or export with layout=checker.",
        )
    elif flat[:, 0].max() == flat[:, 0].min() or flat[:, 1].max() == flat[:, 1].min():
        yield doubt(
            "all joints have the same x or y: their box has no area and overlaps nobody.",
            "Check the projection.",
        )
    elif np.abs(flat[:, :2]).max() <= 2:
        yield violation(
            "joints lie between -2 and 2: these are no pixels.",
            "Map them from crop or picture units to pixels of the 3840x2160 picture.",
        )


def _switches(content: Mapping[str, Any], track: str) -> Iterator[Finding]:
    kid = content.get("kid_flag", False)
    if not _is_flag(kid):
        yield violation(f"kid_flag is {kid!r}.", "It is True or False.")
    if not _is_flag(content.get("pose2rot", True)):
        yield violation(f"pose2rot is {content['pose2rot']!r}.", "It is True or False.")
    if "age" in content:
        serious = content["age"] == "kid" and not kid
        text = "this child is posed as an adult." if serious else "kid_flag alone counts."
        yield doubt(
            f"the key 'age' is not read by the server, whatever its documents say: {text}",
            "Say kid_flag=True for children, with betas (1,11).",
        )
    gender = content.get("gender", "neutral")
    if track == "smplx" and gender not in GENDERS:
        yield violation(f"gender is {gender!r}.", f"One of: {', '.join(GENDERS)}.")
    elif track == "smpl" and gender != "neutral":
        yield doubt("gender is not read in the SMPL track.", "Fit the neutral body.")
    elif gender == "female" and kid:
        yield doubt(
            "a girl is posed with the neutral child's body, not a female one.",
            "Fit children with the neutral body.",
        )


def _mesh(content: Mapping[str, Any], track: str) -> Iterator[Finding]:
    counts = {"allSmplJoints3d": (COUNTS[track], False), "verts": (VERTICES[track], True)}
    for name, (count, exactly) in counts.items():
        wrong = list(_array(name, content[name]))
        yield from wrong
        if wrong:
            continue
        points = np.squeeze(np.asarray(content[name]))
        right = points.ndim == 2 and points.shape[1] == 3
        if not right or (len(points) != count if exactly else len(points) < count):
            yield violation(
                f"{name} has shape {np.asarray(content[name]).shape}, not "
                f"({count}{'' if exactly else ' or more'}, 3).",
                f"Write the {'vertices' if exactly else 'joints'} of {track.upper()}.",
            )
        elif np.ptp(points[:count], axis=0).max() > LARGEST_METRES:
            yield violation(
                f"{name} spans {np.ptp(points[:count], axis=0).max():.0f} metres: these look like "
                "millimetres.",
                "Divide by 1000: the server wants metres.",
            )
        elif np.ptp(points[:count], axis=0).max() < 0.05:
            yield doubt(f"{name} spans less than 5 cm.", "Write metres.")


def _parameters(content: Mapping[str, Any], track: str) -> Iterator[Finding]:
    params, kid = content["params"], bool(content.get("kid_flag", False))
    number = content.get("num_betas", BETAS)
    if track == "smpl":
        number = KID_BETAS if kid else BETAS
    elif not isinstance(number, int | np.integer) or not BETAS <= number <= MOST_BETAS:
        yield violation(f"num_betas is {number!r}.", "It is a whole number from 10 to 299.")
        number = BETAS
    elif kid and number != KID_BETAS:
        yield violation(
            f"kid_flag is True and num_betas is {number if 'num_betas' in content else 'not there'}.",
            "Children of the SMPL-X track need num_betas 11, and betas (1,11).",
        )
        number = KID_BETAS
    turned = not content.get("pose2rot", True)
    shapes = dict(_shapes(track, turned, int(number)))
    for name, shape in shapes.items():
        if name not in params:
            yield violation(
                f"params lacks '{name}'.",
                f"Add it with shape {shape}; zeros where nothing is known."
                if not turned
                else f"Add it with shape {shape}; identities where nothing is known.",
            )
            continue
        wrong = list(_array(f"params['{name}']", params[name]))
        yield from wrong
        if wrong:
            continue
        values = np.asarray(params[name])
        if values.shape != shape:
            yield violation(
                f"params['{name}'] has shape {values.shape}, not {shape}.",
                _advice(name, values, shape, track, turned),
            )
        elif turned and shape[-2:] == (3, 3):
            off = np.abs(values @ np.swapaxes(values, -1, -2) - np.eye(3)).max()
            if off > NOT_TURNED or (np.linalg.det(values) < 0).any():
                yield doubt(
                    f"params['{name}'] holds matrices that are no rotations.",
                    "Orthonormalise them; a determinant of -1 mirrors the body.",
                )
    for name in params:
        if name not in shapes:
            yield doubt(f"params['{name}'] means nothing to the server.", "Leave it out.")


def _shapes(track: str, turned: bool, betas: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """-> the official shape of every parameter."""
    yield "transl", (1, 3)
    yield "betas", (1, betas)
    if track == "smplx":
        yield "expression", (1, 10)
    for name, count in PARAMETERS[track].items():
        if turned:
            yield name, (1, count, 3, 3)
        else:
            yield name, (1, count, 3) if track == "smpl" else (1, 3 * count)


def _advice(name: str, values: Any, shape: tuple[int, ...], track: str, turned: bool) -> str:
    if name == "betas":
        return "Children need kid_flag True and 11 betas; other counts go with num_betas (SMPL-X)."
    if values.size == np.prod(shape):
        return f"Reshape it: value.reshape{shape}."
    if shape[-2:] == (3, 3) or values.shape[-2:] == (3, 3):
        say = "axis-angles" if turned else "matrices"
        return f"pose2rot {not turned} does not go with {say}: set pose2rot {turned}, or convert."
    if name in HANDS and values.size < np.prod(shape):
        return "Hands are 15 joints, no principal components."
    return f"{track.upper()} has other joints; write {shape}."


def _array(name: str, value: Any) -> Iterator[Finding]:
    """-> what is wrong with a value that has to be an array of finite numbers."""
    if not isinstance(value, np.ndarray):
        yield violation(
            f"{name} is of type {type(value).__name__}, not a NumPy array.",
            "Write value.detach().cpu().numpy(), or numpy.asarray(value).",
        )
    elif value.dtype.kind not in "fiu" or not value.size:
        yield violation(f"{name} holds no numbers ({value.dtype}).", "Write float32.")
    elif not np.isfinite(value).all():
        yield violation(
            f"{name} holds NaN or infinity: the evaluation stops, or gives NaN for everybody.",
            "Leave this person out, or repair the prediction.",
        )


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_) or (isinstance(value, int) and value in (0, 1))
