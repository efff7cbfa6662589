"""Where the arrays of a body come from: the packaged free bodies, or the user's asset store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpscli.body.free import free_arrays, free_sha256
from hpscli.body.parameters import check_kind
from hpscli.body.regressors import free_regressors
from hpscli.errors import UsageError, unknown_name

Array = np.ndarray[Any, np.dtype[Any]]

EXPRESSIONS = 10
# Shape directions kept of files that have 300: enough for the 10 of every paper and BEDLAM's 11.
MOST_BETAS = 16
# The kid direction follows exactly ten betas, as in the smplx package and AGORA.
KID_BETAS = 10


@dataclass(frozen=True, kw_only=True)
class Make:
    """One body on this machine; `stamps` (asset id, path, time) change when an asset does."""

    kind: str
    gender: str
    source: str
    age: str
    hand: str
    stamps: tuple[tuple[str, str, int], ...] = ()


def choose_make(kind: str, *, gender: str, source: str, age: str, hand: str) -> Make:
    """-> which body these words mean here and now; nothing large is read."""
    check_kind(kind)
    for what, value, choices in (
        ("gender", gender, ("neutral", "male", "female")),
        ("body source", source, ("", "free", "imported")),
        ("age", age, ("adult", "kid")),
        ("hand", hand, ("right", "left")),
    ):
        if value not in choices:
            raise unknown_name(what, value, choices, " or ".join(filter(None, choices)))
    if kind == "mano" and age == "kid":
        raise UsageError("there is no kid template for hands.", "Leave age='kid' out.")
    side = hand if kind == "mano" else ""
    if source != "free":
        needed = [f"mano-{hand}" if kind == "mano" else f"{kind}-{gender}"]
        needed += [f"kid-{kind}"] if age == "kid" else []
        stamps = _stamps(needed, must=source == "imported")
        if stamps:
            sex = "neutral" if kind == "mano" else gender
            return Make(kind=kind, gender=sex, source="imported", age=age, hand=side, stamps=stamps)
    return Make(kind=kind, gender="neutral", source="free", age=age, hand=side)


def _stamps(assets: list[str], *, must: bool) -> tuple[tuple[str, str, int], ...]:
    """-> id, path and time of every asset; empty (or an error, if they must be) when one is absent."""
    from hpscli.body.assets.files import asset_path, have_asset, missing_asset

    for asset in assets:
        if not have_asset(asset):
            if must:
                raise missing_asset(asset)
            return ()
    paths = [asset_path(asset) for asset in assets]
    return tuple(
        (asset, str(path), path.stat().st_mtime_ns)
        for asset, path in zip(assets, paths, strict=True)
    )


def read_make(make: Make) -> tuple[dict[str, Array], dict[str, Any]]:
    """-> the arrays of a body by official names, and what Body is told about them."""
    arrays, about = _read_free(make) if make.source == "free" else _read_imported(make)
    return arrays, {"gender": make.gender, "source": make.source, "hand": make.hand, **about}


def _read_free(make: Make) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays = free_arrays(make.kind)
    expressions = EXPRESSIONS if make.kind == "smplx" else 0
    betas = arrays["shapedirs"].shape[-1] - expressions
    if make.hand == "left":
        arrays = _mirrored_hand(arrays)
    if make.age == "kid":
        if "kid_template" not in arrays:
            raise UsageError(
                f"the free {make.kind} body has no kid template.",
                "Import the official body and kid template, or leave age='kid' out.",
            )
        arrays = _with_kid(arrays, arrays["kid_template"], betas)
        betas += 1
    about = {"sha256": free_sha256(make.kind), "betas": betas, "expressions": expressions}
    return arrays, {**about, "regressors": free_regressors(arrays)}


def _read_imported(make: Make) -> tuple[dict[str, Array], dict[str, Any]]:
    from hpscli.body.assets.files import read_asset

    arrays, meta = read_asset(make.stamps[0][0])
    betas, expressions = int(meta["betas"]), int(meta.get("expressions") or 0)
    kept = min(betas, KID_BETAS if make.age == "kid" else MOST_BETAS)
    shown = min(expressions, EXPRESSIONS)
    columns = arrays["shapedirs"]
    chosen = [columns[..., :kept], columns[..., betas : betas + shown]]
    arrays["shapedirs"] = np.concatenate(chosen, axis=-1)
    if make.age == "kid":
        arrays = _with_kid(arrays, read_asset(make.stamps[1][0])[0]["v_template"], kept)
        kept += 1
    sha256 = str(meta.get("sha256", ""))
    return arrays, {"sha256": sha256, "betas": kept, "expressions": shown}


def _with_kid(arrays: Mapping[str, Array], template: Array, betas: int) -> dict[str, Array]:
    """-> arrays whose shape has one more number, after the betas: 0 adult .. 1 kid."""
    towards = (template - template.mean(axis=0) - arrays["v_template"])[..., None]
    columns = arrays["shapedirs"]
    parts = [columns[..., :betas], towards, columns[..., betas:]]
    return {**arrays, "shapedirs": np.concatenate(parts, axis=-1)}


def _mirrored_hand(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The free right hand -> the left one: x turns its sign, and faces their direction."""
    flip = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    return {
        **arrays,
        "v_template": arrays["v_template"] * flip,
        "shapedirs": arrays["shapedirs"] * flip[:, None],
        "f": arrays["f"][:, ::-1],
        "hands_mean": arrays["hands_mean_left"],
        "hands_components": arrays["hands_components_left"],
    }
