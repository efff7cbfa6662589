"""What is known of a model without building it: presets, assets, weights, licences. No torch here."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.errors import HpsError

if TYPE_CHECKING:
    from hpscli.hooks import ModelSpec, Weights
    from hpscli.nn.weights.store import Stored

SHIPS, IMPORTED, ABSENT = "ships", "imported", "not here"


def row_of(spec: "ModelSpec", origin: str) -> dict[str, Any]:
    """-> a model in one row: for the list."""
    variants = preset_facts(spec)
    known = [variant for variant in variants.values() if "problem" not in variant]
    return {
        "name": spec.name,
        "body": spec.body,
        "bodies": sorted({variant["body"] for variant in known}) or [spec.body],
        "input_size": list(spec.input_size),
        "presets": list(spec.presets),
        "weights": weight_facts(spec),
        "licence": spec.licence,
        "origin": origin,
        "summary": spec.summary,
    }


def model_document(spec: "ModelSpec", origin: str) -> dict[str, Any]:
    """-> everything of a model but its counts."""
    return row_of(spec, origin) | {
        "outputs": list(spec.outputs),
        "options": dict(spec.defaults),
        "presets": {preset: dict(options) for preset, options in spec.presets.items()},
        "variants": preset_facts(spec),
        "layouts": [
            {
                "name": at.name,
                "summary": at.summary,
                "container": at.container,
                "partial": at.partial,
            }
            for at in spec.layouts
        ],
        "losses": spec.losses,
        "crop": spec.crop,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "paper": spec.paper,
    }


def preset_facts(spec: "ModelSpec") -> dict[str, dict[str, Any]]:
    """-> by preset ("" for a model without any): body, input, crop, outputs, assets."""
    return {preset: _preset(spec, preset) for preset in spec.presets or ("",)}


def _preset(spec: "ModelSpec", preset: str) -> dict[str, Any]:
    from hpscli.nn.options import adapted, complete_options

    try:
        adaptation = adapted(spec, complete_options(spec, preset, {}))
    except HpsError as error:
        return {"problem": error.problem}
    return {
        "body": adaptation.body,
        "input_size": list(adaptation.input_size),
        "crop": adaptation.crop,
        "outputs": list(adaptation.outputs),
        "mean": list(adaptation.mean),
        "std": list(adaptation.std),
        "assets": [{"id": asset, "present": _present(asset)} for asset in adaptation.assets],
    }


def _present(asset: str) -> bool:
    """-> False for an asset that is not imported, or that nobody listed."""
    from hpscli.body.assets.files import have_asset

    try:
        return have_asset(asset)
    except HpsError:
        return False


def weight_facts(spec: "ModelSpec") -> list[dict[str, Any]]:
    """-> every set of weights: released ones, here or not, and what was imported besides."""
    from hpscli.nn.weights.store import stored

    here = {entry.tag: entry for entry in stored(spec.name)}
    rows = []
    for weights in spec.weights:
        entry = here.get(weights.tag)
        same = entry is not None and _is_of(entry, weights)
        rows.append(_released(spec, weights, here.pop(weights.tag) if same else None))
    return rows + [_imported(spec, entry) for entry in here.values()]


def _is_of(entry: "Stored", weights: "Weights") -> bool:
    """-> False for another preset that somebody called like a release."""
    return str(entry.origin.get("preset", weights.preset)) == weights.preset or not weights.preset


def _released(spec: "ModelSpec", weights: "Weights", entry: "Stored | None") -> dict[str, Any]:
    path = packaged_path(weights.file) if weights.file else entry.path if entry else None
    return {
        "name": f"{spec.name}.{weights.tag}",
        "tag": weights.tag,
        "state": SHIPS if weights.file else IMPORTED if entry else ABSENT,
        "ships": bool(weights.file),
        "preset": weights.preset,
        "official_file": weights.official_file,
        "bytes": path.stat().st_size if path and path.is_file() else None,
        "licence": weights.licence,
        "sha256": weights.sha256,
        "homepage": weights.homepage,
        "note": weights.note,
        "results": dict(weights.results),
        "source": weights.source,
        "from": _from(entry.origin) if entry else None,
    }


def _imported(spec: "ModelSpec", entry: "Stored") -> dict[str, Any]:
    return {
        "name": entry.name,
        "tag": entry.tag,
        "state": IMPORTED,
        "ships": False,
        "preset": str(entry.origin.get("preset", "")),
        "official_file": str(entry.origin.get("file", "")),
        "bytes": entry.bytes,
        "licence": str(entry.about.get("licence", "")) or "unknown: the file is damaged",
        "sha256": "",
        "homepage": "",
        "note": "yours" if entry.about else "damaged: hps models verify",
        "results": {},
        "source": "",
        "from": _from(entry.origin),
    }


def _from(origin: Mapping[str, Any]) -> dict[str, Any]:
    """-> where an import came from."""
    names = ("file", "sha256", "layout", "preset", "dtype", "said")
    return {name: origin[name] for name in names if name in origin}


def packaged_path(target: str) -> Path:
    """ "package:relative/path" -> the file."""
    package, _, relative = target.partition(":")
    return Path(str(resources.files(package).joinpath(relative)))
