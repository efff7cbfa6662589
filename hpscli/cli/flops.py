"""hps flops: what the registered models cost, counted on an execution of each."""

import atexit
import gc
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, table
from hpscli.errors import CheckFailed, HpsError, UsageError

if TYPE_CHECKING:
    from hpscli.hooks import ModelSpec
    from hpscli.nn.counting.flops import Cost

LARGEST_SIDE = 4096  # px; beyond, a typing error is more likely than a network


def flops(
    models: Annotated[
        list[str] | None, typer.Argument(help="MODEL or MODEL.PRESET; default: all of them.")
    ] = None,
    shape: Annotated[
        str, typer.Option(help="HEIGHTxWIDTH in px, e.g. 256x192; default: each model's own.")
    ] = "",
    by_module: Annotated[
        bool, typer.Option("--by-module", help="A line for every module that costs something.")
    ] = False,
    depth: Annotated[int, typer.Option(help="How deep --by-module goes.", min=1)] = 2,
    params: Annotated[
        bool, typer.Option("--params", help="Only parameters: no network is run.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Parameters, multiply-adds by execution and by mmcv's rule, activations.

    official_params counts what the authors' files hold, never-used tensors too; used_params what
    the network computes with. GMAC counts one multiply-add as one; GFLOP would be twice as much.
    """
    from hpscli.nn.counting.flops import adapted_to, measure_model
    from hpscli.nn.official.counts import count_preset

    size = parse_shape(shape) if shape else None
    out, broken = Output(json), []
    rows: list[dict[str, Any]] = []
    for spec, preset in _wanted(models or []):
        out.say("counting", f"{spec.name}.{preset}" if preset else spec.name)
        try:
            own = adapted_to(spec, preset)
            counts = count_preset(spec, preset)
            if not rows:
                gc.freeze()  # what was imported stays: no need to search it for garbage
                atexit.register(gc.unfreeze)  # else triton reports all of it as leaked at the end
            cost = None
            if not params:
                cost = measure_model(spec, preset, size or own.input_size)
        except HpsError as error:
            if models:
                raise
            broken.append(error.problem.rstrip("."))
            continue
        rows.append(_row(own, preset, size or own.input_size, counts))
        if cost:
            rows[-1] |= _cost(cost, depth if by_module else 0)
    layers = [] if params else _body_layers({row["body"] for row in rows})
    document = {"models": rows, "body_layers": layers, "broken": broken}
    out.result("flops", document, lambda: _draw(rows, layers, by_module))
    if broken:
        raise CheckFailed(f"{len(broken)} could not be counted: " + "; ".join(broken))


def parse_shape(text: str) -> tuple[int, int]:
    """ "256x192" -> (256, 192); "224" -> (224, 224)."""
    found = re.fullmatch(r"(\d+)(?:[xX,](\d+))?", text.strip())
    sides = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not all(0 < side <= LARGEST_SIDE for side in sides):
        raise UsageError(
            f"--shape '{text}' is not HEIGHTxWIDTH in px (1 to {LARGEST_SIDE}).",
            "For example: --shape 256x192",
        )
    return sides


def _wanted(names: list[str]) -> list[tuple["ModelSpec", str]]:
    """Names as typed -> (spec, preset); a bare model means itself and all its presets."""
    from hpscli.nn.counting.flops import preset_options
    from hpscli.registry import get_registry

    registry = get_registry()
    pairs: list[tuple[ModelSpec, str]] = []
    for name in names or registry.names("model"):
        model, _, preset = name.partition(".")
        spec = registry.model(model)
        if preset:
            preset_options(spec, preset)  # an unknown preset is an error
            pairs.append((spec, preset))
        else:
            pairs += [(spec, p) for p in (_default_and_presets(spec))]
    return pairs


def _default_and_presets(spec: "ModelSpec") -> list[str]:
    """-> presets, with "" first unless one of them is the defaults."""
    same = [p for p, o in spec.presets.items() if all(spec.defaults[k] == v for k, v in o.items())]
    return [*([] if same else [""]), *spec.presets]


def _row(
    spec: "ModelSpec", preset: str, size: tuple[int, int], counts: dict[str, Any]
) -> dict[str, Any]:
    return {
        "model": spec.name,
        "preset": preset,
        "body": spec.body,
        "shape": list(size),
        **counts,
    }


def _cost(cost: "Cost", depth: int) -> dict[str, Any]:
    """-> what running the network once costs."""
    found: dict[str, Any] = {
        "parameters": cost.parameters,
        "macs": cost.macs,
        "flops": 2 * cost.macs,
        "macs_by_part": cost.macs_by_part,
        "macs_mmcv_rule": cost.macs_mmcv,
        "activations": cost.activations,
    }
    if depth:
        found["modules"] = [
            vars(module)
            for module in cost.modules
            if module.path and module.path.count(".") < depth and (module.macs or module.parameters)
        ]
    return found


def _body_layers(kinds: set[str]) -> list[dict[str, Any]]:
    """-> what turning parameters into a mesh costs, which no model's row includes."""
    from hpscli.nn.counting.flops import measure_body

    return [{"body": kind, "macs": measure_body(kind)} for kind in sorted(kinds)]


def _draw(rows: list[dict[str, Any]], layers: list[dict[str, Any]], by_module: bool) -> None:
    table(
        ("model", "input", "official_params", "used_params", "GMAC", "mmcv rule", "activations M"),
        [
            (
                f"{r['model']}.{r['preset']}" if r["preset"] else r["model"],
                "x".join(str(side) for side in r["shape"]),
                _spaced(r["official_params"]),
                _spaced(r["used_params"]),
                f"{r['macs'] / 1e9:.3f}" if "macs" in r else "-",
                f"{r['macs_mmcv_rule'] / 1e9:.3f}" if "macs" in r else "-",
                r["activations"] / 1e6 if "macs" in r else None,
            )
            for r in rows
        ],
    )
    for row in rows if len(rows) == 1 else ():
        _draw_parts(row)
    print("official_params: what the authors' files hold; used_params: what is computed with.")
    for layer in layers:
        cost = f"{layer['macs'] / 1e6:.1f} MMAC"
        print(f"body layer {layer['body']} (free body): {cost}, not in the rows above")
    if not layers:
        return
    print("GMAC: multiply-adds of one image, 1 GMAC = 2 GFLOP. mmcv rule: what mmcv's get_flops")
    print("would print as GFLOPs; attention and functional operations count nothing there.")
    print("activations: numbers that convolutions, matrix products and attention write.")
    if by_module:
        for row in rows:
            _draw_modules(row)


def _draw_parts(row: dict[str, Any]) -> None:
    """Parameters by the first word of the authors' keys."""
    used = row["used_by_part"]
    official = row.get("official_by_part", dict.fromkeys(used))
    table(
        ("part", "official_params", "used_params"),
        [(part, _spaced(official[part]), _spaced(used[part])) for part in used],
    )


def _spaced(count: int | None) -> str:
    return "-" if count is None else f"{count:,}".replace(",", " ")


def _draw_modules(row: dict[str, Any]) -> None:
    table(
        ("module", "type", "params M", "GMAC", "%"),
        [
            (
                m["path"],
                m["kind"],
                f"{m['parameters'] / 1e6:.3f}",
                f"{m['macs'] / 1e9:.3f}",
                100 * m["macs"] / max(row["macs"], 1),
            )
            for m in row["modules"]
        ],
        title=f"{row['model']}.{row['preset']}" if row["preset"] else row["model"],
    )
