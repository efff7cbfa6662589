"""The numbers in the challenge's file: shapes, units, rotations, mirrored bodies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.challenge.submission.layout import JOINTS_KEY, PARTS_KEY, SHAPES, Sequence
from hpscli.records import Finding

Array = NDArray[np.float64]

FARTHEST_M = 5.0  # from the root: no joint of a person is so far, in metres
NEAREST_M = 0.05  # and none has all joints this near
MM, CM = 1000.0, 100.0
NO_ROTATION = 0.01  # of R'R - 1; more than what float16 rounds away
MOST = 0.9  # share of the frames that makes a doubt worth saying
FEWEST_FRAMES = 20  # that a doubt is founded on
MOST_PEOPLE = 4  # of a sequence: 3DPW has 2 at most
PELVIS, HEAD = 0, 15
LEFT, RIGHT = (1, 4, 16, 18), (2, 5, 17, 19)  # hips, knees, shoulders, elbows
ANKLES, FEET = (7, 8), (10, 11)


@dataclass
class Watch:
    """What is only visible over many frames."""

    turned_inside_out: int = 0
    upside_down: int = 0
    bodies: int = 0
    empty: int = 0
    frames: int = 0
    stretched: list[str] = field(default_factory=list)
    mirrored: list[str] = field(default_factory=list)
    apart: int = 0  # root rotations that do not turn the hips to where the joints have them
    compared: int = 0

    def findings(self) -> Iterator[Finding]:
        """-> doubts about all sequences together."""
        enough = self.bodies >= FEWEST_FRAMES
        if enough and self.turned_inside_out > MOST * self.bodies:
            yield _doubt(
                f"{self.turned_inside_out} of {self.bodies} bodies are mirrored: left and right "
                "are exchanged.",
                "Check the order of the joints (1 is the left hip), and whether pictures were "
                "flipped.",
            )
        if enough and self.upside_down > MOST * self.bodies:
            yield _doubt(
                f"in {self.upside_down} of {self.bodies} frames the head is below the pelvis: y has "
                "to point down, as in the picture.",
                "Give joints in the camera's frame: x right, y down, z forward.",
            )
        if self.compared >= FEWEST_FRAMES and self.apart > MOST * self.compared:
            yield _doubt(
                f"in {self.apart} of {self.compared} frames the root's rotation does not fit the "
                "joints.",
                "Give rotations from the bone to the camera (not transposed), in the same frame as "
                "the joints.",
            )
        if self.empty > self.frames - self.empty and self.frames:
            yield _doubt(
                f"{self.empty} of {self.frames} frames are zero.",
                "Only frames without 2D pose or with an invalid camera may be left empty.",
            )
        for names, problem, fix in (
            (
                self.stretched,
                "has matrices that are no rotations; the program takes the closest ones.",
                "Divide by their scale, or orthonormalise them.",
            ),
            (
                self.mirrored,
                "has matrices with determinant -1; their angle means nothing.",
                "Rotations have determinant 1: check for mirrored axes.",
            ),
        ):
            if names:
                others = f" (and {len(names) - 1} other sequences)" if len(names) > 1 else ""
                yield Finding(
                    problem=f"'{PARTS_KEY}' {problem}{others}", fix=fix, place=names[0], error=False
                )


def of_shape(name: str, key: str, value: NDArray[Any]) -> list[Finding]:
    """-> whether an array can be (P,N,24,3) or (P,N,9,3,3), and what was probably done."""
    wanted = SHAPES[key]
    if value.dtype.kind not in "fiu":
        problem = f"'{key}' is of type {value.dtype}: sequences of different lengths, or text."
        return [Finding(problem=problem, fix="Store one array of floats.", place=name)]
    text = f"(P,N,{','.join(map(str, wanted))})"
    if value.ndim < 2 or value.shape[2:] != wanted or not value.size:
        problem = f"'{key}' has shape {value.shape}, it has to be {text}."
        return [Finding(problem=problem, fix=_reshaping(key, value.shape), place=name)]
    if value.shape[0] > MOST_PEOPLE and value.shape[1] <= MOST_PEOPLE:
        problem = f"'{key}' has shape {value.shape}: people and frames are exchanged."
        fix = f"First people, then frames: {key}.swapaxes(0, 1)"
        return [Finding(problem=problem, fix=fix, place=name)]
    if value.dtype.kind in "iu" or value.dtype.itemsize < 4:
        problem = f"'{key}' is of type {value.dtype}, which rounds to millimetres or worse."
        return [Finding(problem=problem, fix="Store float32.", place=name, error=False)]
    return []


def _reshaping(key: str, shape: tuple[int, ...]) -> str:
    """-> what makes the right shape of this one."""
    wanted = SHAPES[key]
    flat = int(np.prod(wanted))
    if not np.prod(shape):
        return "It is empty: store every person and frame of the data set's file."
    if shape[1:] == wanted:
        return f"It lacks the axis of people: {key}[None]"
    if shape and shape[-1] == flat:
        return f"Unfold it: {key}.reshape(P, N, {', '.join(map(str, wanted))})"
    if key == JOINTS_KEY:
        if shape[2:] == (3, 24):
            return "Joints and coordinates are exchanged: jointPositions.swapaxes(2, 3)"
        if len(shape) == 4 and shape[2] != 24 and shape[3] == 3:
            return f"{shape[2]} joints are not the 24 of SMPL: regress those from the mesh."
    if key == PARTS_KEY:
        if shape[2:] == (24, 3, 3):
            return "Keep the 9 parts: orientations[:, :, [0, 1, 2, 4, 5, 16, 17, 18, 19]]"
        if shape[2:] in ((9, 3), (27,), (9, 4), (24, 3)):
            return "Turn axis-angle or quaternions into matrices, of each part to the camera."
    return "P people of the data set's file, N frames of its sequence."


def of_arrays(
    name: str, arrays: Mapping[str, NDArray[Any]], truth: Sequence | None, watch: Watch
) -> Iterator[Finding]:
    """-> what is wrong with the numbers of a sequence; doubts are gathered in `watch`."""
    if truth is not None:
        yield from _of_size(name, arrays, truth)
    for key, value in arrays.items():
        seen = np.ones(value.shape[:2], bool)
        if truth is not None and value.shape[:2] == truth.evaluated.shape:
            seen = truth.evaluated
        chosen = np.asarray(value[seen], np.float64)
        bad = ~np.isfinite(chosen).reshape(len(chosen), -1).all(axis=1)
        if bad.any():
            yield Finding(
                problem=f"'{key}' is NaN or infinite in {int(bad.sum())} frames.",
                fix="Predict these frames again; zeros where nobody looks.",
                place=name,
            )
        chosen = chosen[~bad]
        if key == JOINTS_KEY:
            yield from _of_joints(name, chosen, watch)
        else:
            _of_rotations(name, chosen, watch)
    if len(arrays) == len(SHAPES) and len({v.shape[:2] for v in arrays.values()}) == 1:
        _compare(arrays[JOINTS_KEY], arrays[PARTS_KEY], watch)


def _of_size(name: str, arrays: Mapping[str, NDArray[Any]], truth: Sequence) -> Iterator[Finding]:
    for key, value in arrays.items():
        if value.shape[0] != truth.people:
            problem = f"'{key}' has {value.shape[0]} people, the data set's file {truth.people}."
            yield Finding(problem=problem, fix="One row for each, in its order.", place=name)
        if value.shape[1] == truth.frames:
            continue
        evaluated = np.flatnonzero(truth.evaluated.any(axis=0))
        needed = int(evaluated[-1]) + 1 if len(evaluated) else 0
        yield Finding(
            problem=f"'{key}' has {value.shape[1]} frames, the sequence {truth.frames}"
            + (f", of which the first {needed} are looked at." if needed else "."),
            fix="One entry for every frame; zeros where nobody looks.",
            place=name,
            error=value.shape[1] < needed,
        )


def _of_joints(name: str, joints: Array, watch: Watch) -> Iterator[Finding]:
    """joints (F,24,3) -> their unit; mirrored and upside-down bodies are counted."""
    if not len(joints):
        return
    away = np.sqrt(((joints - joints[:, [PELVIS]]) ** 2).sum(axis=2)).max(axis=1)
    there = away > 0
    watch.frames += len(joints)
    watch.empty += int((~there).sum())
    if not there.any():
        return
    typical = float(np.median(away[there]))
    if typical > FARTHEST_M:
        unit = "millimetres" if typical > CM * FARTHEST_M / 2 else "centimetres"
        factor = MM if unit == "millimetres" else CM
        yield Finding(
            problem=f"joints are up to {typical:.0f} from the root: these are {unit}, not metres.",
            fix=f"Divide jointPositions by {factor:.0f}.",
            place=name,
        )
    elif typical < NEAREST_M:
        yield Finding(
            problem=f"joints are within {typical:.2g} m of the root: nobody is so small.",
            fix="Give metres.",
            place=name,
            error=False,
        )
    body = joints[there]
    up = body[:, HEAD] - body[:, PELVIS]
    forward = body[:, list(FEET)].mean(axis=1) - body[:, list(ANKLES)].mean(axis=1)
    left = body[:, list(LEFT)].mean(axis=1) - body[:, list(RIGHT)].mean(axis=1)
    watch.turned_inside_out += int((np.einsum("fi,fi->f", left, np.cross(up, forward)) < 0).sum())
    watch.upside_down += int((up[:, 1] > 0).sum())
    watch.bodies += len(body)


def _of_rotations(name: str, rotations: Array, watch: Watch) -> None:
    """rotations (F,9,3,3): counts those that are none; zeros may be frames where nobody looks."""
    flat = rotations.reshape(-1, 3, 3)
    flat = flat[np.abs(flat).sum(axis=(1, 2)) > 0]
    if not len(flat):
        return
    unit = np.matmul(flat.transpose(0, 2, 1), flat) - np.eye(3)
    if np.abs(unit).max() > NO_ROTATION:
        watch.stretched.append(name)
    if (np.linalg.det(flat) < 0).any():
        watch.mirrored.append(name)


def _compare(joints: NDArray[Any], rotations: NDArray[Any], watch: Watch) -> None:
    """joints (P,N,24,3), rotations (P,N,9,3,3): does the root turn x to where the left hip is?"""
    hips = np.asarray(joints[:, :, 1] - joints[:, :, 2], np.float64).reshape(-1, 3)
    root = np.asarray(rotations[:, :, 0], np.float64).reshape(-1, 3, 3)
    known = np.isfinite(hips).all(axis=1) & np.isfinite(root).all(axis=(1, 2))
    known &= (np.abs(hips).sum(axis=1) > 0) & (np.abs(root).sum(axis=(1, 2)) > 0)
    hips, root = hips[known], root[known]
    if len(hips):
        along = np.einsum("fi,fi->f", hips, root[:, :, 0]) / np.linalg.norm(hips, axis=1)
        watch.compared += len(hips)
        watch.apart += int((along < 0.5).sum())


def _doubt(problem: str, fix: str) -> Finding:
    return Finding(problem=problem, fix=fix, error=False)
