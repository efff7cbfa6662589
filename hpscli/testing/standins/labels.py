"""Which labels a data set gives, as its card and its options say: what its stand-ins must have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpscli.body.joints import COMMON, joint_set
from hpscli.body.regressors import plan
from hpscli.cards import load_card
from hpscli.errors import HpsError
from hpscli.hooks import ProtocolSpec
from hpscli.registry import BODIES
from hpscli.train.recipes.prepare_lines import PrepareLine


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A kind of people: equal labels, equal stand-ins."""

    body: str  # smpl | smplx | mano
    joints2d: tuple[str, ...] = ()
    joints3d: tuple[str, ...] = ()
    parameters: bool = False  # of the body
    everything: bool = False  # generated people: whatever their generator gives
    dataset: str = "stand-in"
    split: str = "train"

    def words(self) -> str:
        """-> "smpl parameters, 2D coco17, 3D smpl24"."""
        parts = [f"{self.body} parameters"] if self.parameters else []
        parts += ["all labels"] if self.everything else []
        parts += [f"2D {' '.join(self.joints2d)}"] if self.joints2d else []
        parts += [f"3D {' '.join(self.joints3d)}"] if self.joints3d else []
        return ", ".join(parts)


def labels_of(line: PrepareLine, model_body: str) -> Labels:
    """A prepare line, the body of the model that learns from it -> the labels of its people."""
    spec, options = line.dataset, line.options
    card: Mapping[str, Any] = load_card(spec.card) if spec.card else {}
    two = _meant(card.get("joints2d", ()), line)
    three = _meant(card.get("joints3d", ()), line)
    two = (COMMON,) if options.get("slots") else two  # no longer in slots of their own
    two = two or tuple(filter(None, [str(options.get("joints", ""))]))
    body = _body(str(options.get("body") or spec.body), model_body, (*two, *three))
    if not spec.needs_root:
        return Labels(body=body, parameters=True, everything=True)
    needed = str(card.get("parameters_option", ""))
    given = bool(spec.body) and (not needed or bool(options.get(needed)))
    return Labels(
        body=body,
        joints2d=_of_body(two, body),
        joints3d=_of_body(three, body),
        parameters=given or not (two or three),
    )


def labels_for(protocol: ProtocolSpec) -> Labels:
    """A protocol -> the labels of people that it can measure on."""
    return Labels(
        body=protocol.truth_body or protocol.body,
        joints2d=(protocol.joints,),
        joints3d=(protocol.joints,),
        parameters=True,
        dataset=protocol.testset,
        split=protocol.split,
    )


def _meant(sets: Sequence[str], line: PrepareLine) -> tuple[str, ...]:
    """Joint sets of a card -> those of this split and these options, as far as their names say it."""
    told = [f"_{v}" for v in line.options.values() if isinstance(v, str) and len(v) > 1]
    named = [name for name in sets if any(word in name for word in told)] or list(sets)
    tests = [name for name in named if name.endswith("_test")]
    rest = [name for name in named if name not in tests]
    return tuple((tests if "test" in line.split else rest) or named)


def _body(said: str, model_body: str, sets: Sequence[str]) -> str:
    """-> the body whose mesh the people have: a hand where a hand is learnt and labelled, and that of
    the model where the data set has none."""
    if model_body == "mano" and (not sets or any(_gives("mano", name) for name in sets)):
        return "mano"
    if said in BODIES:
        return said
    return "smplx" if model_body == "smplx" else "smpl"


def _of_body(sets: tuple[str, ...], body: str) -> tuple[str, ...]:
    """-> the sets that the mesh of this body gives whole; if it gives none, all: in parts."""
    return tuple(name for name in sets if _gives(body, name)) or sets


def _gives(body: str, name: str) -> bool:
    try:
        plan(body, joint_set(name).name)
    except HpsError:
        return False
    return True
