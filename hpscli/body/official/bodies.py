"""SMPL, SMPL-X and MANO out of their official files; the other bodies of the family by name."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from hpscli.body.official.found import Found, Unneeded
from hpscli.body.official.records import Sparse, Unread
from hpscli.errors import InvalidData, UsageError

KEYS = {"v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f"}
# Vertices, joints -> the body; numbers of the official releases.
BODIES = {(6890, 24): "smpl", (10475, 55): "smplx", (778, 16): "mano"}
OTHERS = {
    (6890, 52): "SMPL+H: not needed, SMPL and MANO do its work",
    (5023, 5): "FLAME: not needed, the face comes with SMPL-X",
}
EXTRA_KEYS = {
    "smpl": (),
    "mano": ("hands_mean", "hands_components"),
    "smplx": (
        *("hands_meanl", "hands_meanr", "hands_componentsl", "hands_componentsr"),
        *("lmk_faces_idx", "lmk_bary_coords", "dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords"),
    ),
}
SMPLX_BETAS = 300  # of the 400 columns of SMPL-X v1.1; then 100 expressions
GENDER_WORDS = {
    **dict.fromkeys(("neutral", "n", "neu"), "neutral"),
    **dict.fromkeys(("male", "m"), "male"),
    **dict.fromkeys(("female", "f"), "female"),
}


def recognise_body(content: Mapping[Any, Any], name: str, gender: str) -> Found | Unneeded | None:
    """-> the body in this dictionary of arrays, if it is one."""
    if not set(content) >= KEYS:
        return None
    if "licence" in content:  # only the free bodies carry one inside
        return Unneeded("a free body: it ships with hps")
    regressor = _array(content, "J_regressor", name)
    joints, vertices = regressor.shape if regressor.ndim == 2 else (0, 0)
    kind = BODIES.get((vertices, joints))
    if kind is None:
        other = OTHERS.get((vertices, joints))
        return Unneeded(other) if other else None
    if kind == "smpl" and _array(content, "posedirs", name).shape[-1] != 9 * (joints - 1):
        return Unneeded("STAR: not read, it is another body than SMPL")
    arrays = _arrays(content, kind, name)
    _check(arrays, joints, name)
    if kind == "mano":
        word, note = _hand_side(arrays), ""
    else:
        word, note = _gender(content, name, kind, gender)
    columns = arrays["shapedirs"].shape[2]
    betas = _betas(kind, columns)
    meta = {
        "kind": kind,
        "gender": "neutral" if kind == "mano" else word,
        **({"hand": word} if kind == "mano" else {}),
        "betas": betas,
        "expressions": columns - betas,
        "vertices": vertices,
        "joints": joints,
        **({"gender_from": note} if note else {}),
    }
    counts = f"{betas} shape directions" + (
        f", {columns - betas} expressions" if columns > betas else ""
    )
    said = f"; gender from {note}" if note and note != "the file" else ""
    return Found(id=f"{kind}-{word}", arrays=arrays, meta=meta, note=counts + said)


def _betas(kind: str, columns: int) -> int:
    if kind != "smplx":
        return columns
    return SMPLX_BETAS if columns > SMPLX_BETAS else min(columns, 10)  # as the smplx package


def _arrays(content: Mapping[Any, Any], kind: str, name: str) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {
        key: _array(content, key, name).astype(np.float32)
        for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
    }
    tree = _array(content, "kintree_table", name).astype(np.int64)
    tree[0, 0] = -1  # stored as 2^32 - 1 in files of Python 2
    arrays["kintree_table"] = tree
    arrays["f"] = _array(content, "f", name).astype(np.int32)
    for key in EXTRA_KEYS[kind]:
        if key in content:
            value = _array(content, key, name)
            index = key.endswith("faces_idx")
            arrays[key] = value.astype(np.int64 if index else np.float32)
    return arrays


def _array(content: Mapping[Any, Any], key: str, name: str) -> np.ndarray:
    value = content[key]
    if isinstance(value, Sparse):
        value = value.dense()
    if isinstance(value, Unread):
        raise InvalidData(
            f"'{key}' in {name} is a {value.name} expression, which only chumpy could evaluate.",
            "Official files hold plain arrays there: download the file again from its owner.",
        )
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise InvalidData(
            f"'{key}' in {name} holds {array.dtype}, not numbers.", "Download it again."
        )
    return array


def _check(arrays: Mapping[str, np.ndarray], joints: int, name: str) -> None:
    vertices = len(arrays["v_template"])
    wanted = {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, arrays["shapedirs"].shape[-1]),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
        "weights": (vertices, joints),
        "kintree_table": (2, joints),
        "f": (len(arrays["f"]), 3),
    }
    if vertices != arrays["J_regressor"].shape[1]:
        raise InvalidData(
            f"{name}: {vertices} vertices, but a regressor for others.", "Download it again."
        )
    for key, shape in wanted.items():
        if arrays[key].shape != shape:
            raise InvalidData(
                f"'{key}' in {name} has the shape {arrays[key].shape}, expected {shape}.",
                "The file is damaged or of another release: download it again.",
            )
    finite = all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")
    faces, parents = arrays["f"], arrays["kintree_table"][0, 1:]
    tree_ok = bool((parents >= 0).all() and (parents < np.arange(1, joints)).all())
    if not finite or faces.min() < 0 or faces.max() >= vertices or not tree_ok:
        raise InvalidData(
            f"{name} has the layout of a body, but numbers that cannot be.", "Download it again."
        )


def _hand_side(arrays: Mapping[str, np.ndarray]) -> str:
    """A right hand points to -x from its wrist, in MANO's own frame."""
    template = arrays["v_template"]
    wrist = arrays["J_regressor"][0] @ template
    return "right" if template[:, 0].mean() < wrist[0] else "left"


def _gender(content: Mapping[Any, Any], name: str, kind: str, asked: str) -> tuple[str, str]:
    """-> the gender, and what told it: the user, the file, or, at last, the file's name."""
    if asked:
        return asked, "--gender"
    stated = content.get("gender", "")
    word = GENDER_WORDS.get(
        str(stated.decode() if isinstance(stated, bytes) else stated).lower(), ""
    )
    if word:
        return word, "the file"
    base = re.split(r"[/\\]", name)[-1].lower()
    words = re.findall(r"[a-z]+", re.sub(r"v?\.?\d+(\.\d+)*", " ", base))
    found = {GENDER_WORDS[w] for w in words if w in GENDER_WORDS}
    if len(found) == 1:
        return found.pop(), "the file's name"
    raise UsageError(
        f"{name} is a {kind.upper()} body, but neither it nor its name says of which gender.",
        "Say it: hps assets import FILE --gender neutral|female|male",
    )
