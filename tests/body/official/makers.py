"""Files in their owners' containers with made-up numbers: what the tests of importing share."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SMPL_PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]


OLD_MODULES = {
    "numpy._core": "numpy.core",
    "scipy.sparse._": "scipy.sparse.",
    "builtins": "__builtin__",
    "copyreg": "copy_reg",
}


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes what Python 2 with NumPy 1 and SciPy 1 wrote: byte strings, old module names."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, value: str | bytes) -> None:
        raw = value.encode("latin1") if isinstance(value, str) else value
        if not self.proto:
            self.write(b"S" + repr(raw)[1:].encode("latin1") + b"\n")
            self.memoize(value)
            return
        short = len(raw) < 256
        head = b"U" + bytes([len(raw)]) if short else b"T" + struct.pack("<i", len(raw))
        self.write(head + raw)
        self.memoize(value)

    def save_named(self, value: Any, name: str | None = None) -> None:
        module = value.__module__
        for new, old in OLD_MODULES.items():
            module = module.replace(new, old)
        self.write(f"c{module}\n{name or value.__qualname__}\n".encode())
        self.memoize(value)

    save_global = save_named
    dispatch[str] = dispatch[bytes] = save_string
    dispatch[type] = save_named
    dispatch[types.FunctionType] = save_named


def python2_pickle(value: Any, protocol: int = 2) -> bytes:
    """-> a pickle as Python 2 would have written it; 0 is its default, the text protocol."""
    stream = io.BytesIO()
    Python2Pickler(stream, protocol).dump(value)
    return stream.getvalue()


@contextmanager
def fake_chumpy() -> Iterator[types.SimpleNamespace]:
    """Classes of the names and with the state that chumpy's objects have; gone afterwards."""
    made = types.SimpleNamespace()
    modules = {}
    for module, names in {
        "chumpy": (),
        "chumpy.ch": ("Ch", "MatVecMult"),
        "chumpy.reordering": ("Select", "Reshape", "transpose", "Concatenate"),
    }.items():
        modules[module] = types.ModuleType(module)
        for name in names:
            kind = type(name, (_Chumpy,), {"__module__": module, "__qualname__": name})
            setattr(modules[module], name, kind)
            setattr(made, name, kind)
    saved = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield made
    finally:
        for name, module_before in saved.items():
            sys.modules.pop(name)
            if module_before is not None:
                sys.modules[name] = module_before


class _Chumpy:
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(
            {"_dirty_vars": {"x"}, "_itr": None, "_depends_on_deps": {}, "_make_dense": False}
        )
        self.__dict__.update(state)


def body_arrays(
    vertices: int, parents: list[int], faces: int, betas: int, seed: int = 0
) -> dict[str, Any]:
    """-> the arrays that every body file has, float64 as the official ones."""
    rng = np.random.RandomState(seed)
    joints = len(parents)
    regressor = np.zeros((joints, vertices))
    regressor[np.arange(joints), rng.randint(0, vertices, joints)] = 1
    weights = np.zeros((vertices, joints))
    weights[np.arange(vertices), rng.randint(0, joints, vertices)] = 1
    tree = np.array([[2**32 - 1, *parents[1:]], range(joints)], np.uint32)
    return {
        "v_template": rng.standard_normal((vertices, 3)) * 0.3,
        "shapedirs": rng.standard_normal((vertices, 3, betas)) * 0.01,
        "posedirs": np.zeros((vertices, 3, 9 * (joints - 1))),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": tree,
        "f": rng.randint(0, vertices, (faces, 3)).astype(np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def smpl_arrays(betas: int = 10, seed: int = 0) -> dict[str, Any]:
    """-> an SMPL body of made-up numbers."""
    return body_arrays(6890, SMPL_PARENTS, 13776, betas, seed)


def smplx_arrays(columns: int = 20) -> dict[str, Any]:
    """-> an SMPL-X body of made-up numbers."""
    parents = [-1, *range(54)]
    return body_arrays(10475, parents, 20908, columns) | {
        "hands_meanl": np.full(45, 0.1),
        "hands_meanr": np.full(45, 0.2),
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "lmk_faces_idx": np.arange(51),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": np.zeros((79, 17), np.int64),
        "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
    }


def mano_arrays(hand: str = "right") -> dict[str, Any]:
    """-> a MANO hand of made-up numbers that points away from its wrist to the proper side."""
    arrays = body_arrays(778, [-1, *range(15)], 1538, 10)
    arrays["v_template"][:, 0] = np.linspace(0, -0.2 if hand == "right" else 0.2, 778)
    arrays["J_regressor"][0] = 0
    arrays["J_regressor"][0, 0] = 1
    return arrays | {
        "hands_mean": np.full(45, 0.1),
        "hands_components": np.eye(45),
        "hands_coeffs": np.zeros((10, 45)),
    }


def as_official_pickle(arrays: Mapping[str, Any]) -> bytes:
    """-> pickled as the owners did: Python 2, chumpy shape directions, a sparse regressor."""
    from scipy.sparse import csc_matrix

    with fake_chumpy() as chumpy:
        shapedirs = arrays["shapedirs"]
        flat = chumpy.Ch(x=shapedirs.ravel())
        selected = chumpy.Select(
            a=flat, idxs=np.arange(shapedirs.size), preferred_shape=shapedirs.shape
        )
        return python2_pickle(
            dict(arrays)
            | {
                "shapedirs": selected,
                "posedirs": chumpy.Ch(x=arrays["posedirs"]),
                "J_regressor": csc_matrix(arrays["J_regressor"]),
                "J": chumpy.MatVecMult(mtx=None, vec=None),
            }
        )


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write an archive with these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npz_bytes(**arrays: Any) -> bytes:
    """-> an .npz."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def h36m_regressor(*, right_leg_first: bool = True, vertices: int = 6890) -> np.ndarray:
    """(17,V) of single vertices: left joints on low numbers, right ones on high numbers."""
    left, right = (1000, 5000) if vertices == 6890 else (4000, 7000)
    sides = [
        0,
        *([1] * 3 if right_leg_first else [-1] * 3),
        *([-1] * 3 if right_leg_first else [1] * 3),
    ]
    sides += [0, 0, 0, 0, -1, -1, -1, 1, 1, 1]
    regressor = np.zeros((17, vertices))
    for row, side in enumerate(sides):
        regressor[row, row + (right if side > 0 else left)] = 1
    return regressor
