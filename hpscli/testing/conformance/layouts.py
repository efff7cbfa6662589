"""Conformance of layouts: what a model says of its authors' files fits its own network."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hpscli.hooks import Layout, ModelSpec
from hpscli.registry import resolve
from hpscli.testing.conformance.checks import Checks

if TYPE_CHECKING:
    from torch import nn

    from hpscli.nn.layouts import Row

SEED = 5
SMALL = "tiny"  # presets for tests were never released: their files are known by their rows


def check_layouts(checks: Checks, spec: ModelSpec, presets: Iterable[str] = ()) -> None:
    """For each layout: rows that name every tensor of the network, options guessed, repairs undone.

    presets: those to look at; without any, all of them.
    """
    chosen = list(presets) or list(spec.presets) or [""]
    for layout in spec.layouts:
        checks.run(f"layout {layout.name}", lambda at=layout: _layout(spec, at, chosen))  # type: ignore[misc]


def _layout(spec: ModelSpec, layout: Layout, presets: list[str]) -> tuple[str, str]:
    from hpscli.nn.meta import meta_network
    from hpscli.nn.official.counts import rows_of
    from hpscli.nn.options import complete_options

    seen: list[str] = []
    strange: list[str] = []
    for preset in presets:
        options = complete_options(spec, preset, {})
        rows = rows_of(layout, options)
        if not rows:
            continue
        network = meta_network(spec, options)
        complaint = (
            _names_complaint(layout, rows, network)
            or _shape_complaint(rows, network)
            or _repair_complaint(rows)
        )
        if complaint:
            return f"{preset or 'defaults'}: {complaint}", ""
        known = preset.endswith(SMALL) or _guessed(spec, layout, rows)
        (seen if known else strange).append(preset or "defaults")
    if not seen and len(presets) == len(spec.presets or ("",)):
        return "no preset has a file that is recognised as its own", ""
    says = f"fits {', '.join(seen) or 'other presets'}"
    return "", says + (f"; not recognised: {', '.join(strange)}" if strange else "")


def _names_complaint(layout: Layout, rows: "tuple[Row, ...]", network: "nn.Module") -> str:
    """Each of our tensors has its row, each of theirs one; whoever is not used says why."""
    from hpscli.nn.layouts import counted

    twice = [key for key, count in Counter(row.theirs for row in rows).items() if count > 1]
    if twice:
        return f"two rows name {twice[0]}"
    if mute := [row.theirs for row in rows if not row.ours and not row.why]:
        return f"{mute[0]} is not used, and its row does not say why"
    ours, named = set(network.state_dict()), {row.ours for row in rows if row.ours}
    if unknown := sorted(named - ours):
        return f"a row names {unknown[0]}, which the network does not have"
    if not layout.partial and (forgotten := sorted(ours - named)):
        return f"{counted(len(forgotten))} of the network without a row: {forgotten[0]}"
    return ""


def _shape_complaint(rows: "tuple[Row, ...]", network: "nn.Module") -> str:
    """What is read has the shape that the network wants; parameters are called so."""
    import torch

    state = network.state_dict()
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    for row in rows:
        if not row.ours:
            continue
        theirs = torch.empty(row.shape, device="meta")
        shape = tuple((row.read(theirs) if row.read else theirs).shape)
        if shape != tuple(state[row.ours].shape):
            return f"{row.theirs} gives {shape}, {row.ours} is {tuple(state[row.ours].shape)}"
        if row.parameter != (row.ours in parameters):
            kind = "parameter" if row.ours in parameters else "buffer"
            return f"{row.theirs}: {row.ours} is a {kind}, its row says otherwise"
    return ""


def _repair_complaint(rows: "tuple[Row, ...]") -> str:
    """What was read and is written has their shape, and reads as the same numbers again."""
    import torch

    random = torch.Generator().manual_seed(SEED)
    for row in rows:
        if row.ours and row.read:
            if not row.write:
                return f"{row.theirs} is changed on reading, and nothing writes it back"
            once = row.read(torch.randn(row.shape, generator=random))
            written = row.write(once)
            if tuple(written.shape) != row.shape:
                return f"{row.theirs} is written as {tuple(written.shape)}, not {row.shape}"
            if not torch.equal(row.read(written), once):
                return f"{row.theirs} written back reads as other numbers"
    return ""


def _guessed(spec: ModelSpec, layout: Layout, rows: "tuple[Row, ...]") -> bool:
    """The keys of a file tell which options it is of, as far as the file depends on them."""
    from hpscli.nn.official.counts import rows_of
    from hpscli.nn.options import complete_options

    guessed = resolve(layout.guess)({row.theirs: row.shape for row in rows})
    if guessed is None:
        return False
    again = rows_of(layout, complete_options(spec, "", guessed))
    return {(row.theirs, row.shape) for row in again} == {(row.theirs, row.shape) for row in rows}
