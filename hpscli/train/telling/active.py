"""Which loss terms learn from which data set of a mix: tried out on the first people of each.

A term is active where its gradient is not zero: the model predicts once, and every term is asked
about the labels of each member.
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.body.layer import Body, load_body
from hpscli.data.batch import pack, ready, to_batch
from hpscli.data.epochs.without import as_meant
from hpscli.data.evalset import BrokenSample, EvalSet
from hpscli.data.shards import read_index
from hpscli.errors import HpsError
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model
from hpscli.recipe import Member, Recipe
from hpscli.records import Batch, Prediction, Sample
from hpscli.registry import resolve
from hpscli.train.learning.adversary import TERM, wanted
from hpscli.train.learning.trying import tried
from hpscli.train.losses.bodies import with_joints_of_bodies
from hpscli.train.telling.describing import shares_of
from hpscli.train.telling.track import Diary

PEOPLE = 8  # of each member, from its start
PICTURES = 2  # that the model looks at; enough for batch norm
WIDTH = 118  # of a table in a terminal or a log
ACTIVE = "x"
BODIES = {"smpl": "SMPL", "smplx": "SMPL-X", "mano": "MANO"}
NEEDS = (  # part of a term's name -> the labels that it compares with, what they are called
    ("smplx_joint", "{kind}.", "{body}"),
    ("3d", "keypoints3d.", "3D joints"),
    ("joint_cam", "keypoints3d.", "3D joints"),
    ("2d", "keypoints2d.", "2D joints"),
    ("joint_proj", "keypoints2d.", "2D joints"),
    ("joint_img", "keypoints2d.", "2D joints"),
    ("bbox", "keypoints2d.", "2D joints"),
    ("expr", "{kind}.expression", "expression"),
    ("betas", "{kind}.betas", "{body} shape"),
    ("shape", "{kind}.betas", "{body} shape"),
    ("", "{kind}.", "{body}"),
)


@dataclass(frozen=True)
class Row:
    """One member of the mix; `terms` say why a term is idle, "" where it is active."""

    member: str
    share: float | None  # of all picks; None while it depends on people who are not there
    terms: Mapping[str, str]  # {} where nobody is there


@dataclass(frozen=True)
class ActiveTerms:
    """Members of the mix by terms of the loss."""

    weights: Mapping[str, float]
    rows: tuple[Row, ...]
    joints: str = ""  # the set of the supervision

    def idle(self) -> list[str]:
        """-> the terms that no member teaches."""
        tried = [row for row in self.rows if row.terms]
        return [name for name in self.weights if tried and all(row.terms[name] for row in tried)]

    def lines(self) -> list[str]:
        """-> a table of text, broken into blocks where it is too wide; of members that are there."""
        rows = [row for row in self.rows if row.terms]
        if not rows:
            named = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
            return [
                *textwrap.wrap(named, WIDTH),
                "Which data teach which of them is told when the data are there.",
            ]
        first = [_stub(row) for row in rows]
        stub = max(len(text) for text in first)
        found: list[str] = []
        for names in self._blocks(stub):
            heads = [f"{name} {self.weights[name]:g}" for name in names]
            cells = [[row.terms[name] or ACTIVE for name in names] for row in rows]
            widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
            for text, line in zip(["", *first], [heads, *cells], strict=True):
                parts = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
                found.append("  ".join([f"{text:<{stub}}", *parts]).rstrip())
        absent = [row.member for row in self.rows if not row.terms]
        return [*found, f"not there: {', '.join(absent)}"] if absent else found

    def _blocks(self, stub: int) -> Iterator[list[str]]:
        names: list[str] = []
        used = stub
        for name, weight in self.weights.items():
            cells = [len(row.terms[name] or ACTIVE) for row in self.rows if row.terms]
            width = 2 + max([len(f"{name} {weight:g}"), *cells])
            if names and used + width > WIDTH:
                yield names
                names, used = [], stub
            names, used = [*names, name], used + width
        yield names

    def document(self) -> list[dict[str, Any]]:
        """-> the same as plain values."""
        return [
            {
                "member": row.member,
                "share": None if row.share is None else round(row.share, 6),
                "terms": {
                    name: {"weight": weight, "active": not row.terms[name], "why": row.terms[name]}
                    for name, weight in self.weights.items()
                    if row.terms
                },
            }
            for row in self.rows
        ]


def _stub(row: Row) -> str:
    return row.member if row.share is None else f"{row.member} {row.share:.2f}"


def active_terms(recipe: Recipe, module: nn.Module, spec: ModelSpec) -> ActiveTerms:
    """Recipe, its model (B,3,H,W) -> which terms each member teaches; the model stays as it is."""
    names = [name for name, weight in recipe.loss.items() if weight > 0]
    body = load_body(spec.body, source=recipe.model.body)
    size = recipe.data.image_size or spec.input_size
    prediction = predict_once(module, size)
    tried: dict[str, Mapping[str, str]] = {}
    for name, member in recipe.data.mix.items():
        batch = first_people(recipe, member, size, spec) if member.weight > 0 else None
        if batch is not None:
            batch = with_joints_of_bodies(batch, body, recipe.data.joints)
            tried[name] = _tried(prediction, batch, body, spec, names)
    return _table(recipe, tried)


def _table(recipe: Recipe, tried: Mapping[str, Mapping[str, str]]) -> ActiveTerms:
    """Recipe, member -> term -> why it is idle; members that are not named are not there."""
    weights = {name: weight for name, weight in recipe.loss.items() if weight > 0}
    critic: dict[str, str] = {}
    if (adversary := wanted(recipe)) is not None:
        weights[TERM] = adversary.weight
        critic = {TERM: ""}
    shares = shares_of(recipe, _people(recipe))
    rows = (
        Row(name, shares.get(name), {**tried[name], **critic} if name in tried else {})
        for name in recipe.data.mix
        if recipe.data.mix[name].weight > 0
    )
    return ActiveTerms(weights, tuple(rows), recipe.data.joints)


def _people(recipe: Recipe) -> dict[str, int]:
    """-> people of each member of the mix; {} unless all are there."""
    used = {name: member for name, member in recipe.data.mix.items() if member.weight > 0}
    try:
        return {name: read_index(member.shards).samples for name, member in used.items()}
    except HpsError:
        return {}


def active_terms_of(recipe: Recipe) -> ActiveTerms:
    """Recipe -> the same, of a model made for it; without one when nobody of its mix is there."""
    if not any(_there(member) for member in recipe.data.mix.values() if member.weight > 0):
        return _table(recipe, {})
    module, spec, _ = build_model(
        recipe.model.name,
        preset=recipe.model.preset,
        options=recipe.model.options,
        body_source=recipe.model.body,
    )
    return active_terms(recipe, module, spec)


def predict_once(module: nn.Module, size: tuple[int, int]) -> Prediction:
    """Model -> its prediction in training of PICTURES grey pictures; nothing in it changes."""
    device = next(module.parameters()).device
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    modes = {part: part.training for part in module.modules()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pictures = torch.randn(PICTURES, 3, *size, device=device)
        found: Prediction = tried(module.train(), pictures)
        for name, value in module.named_buffers():
            value.copy_(buffers[name])
    for part, training in modes.items():
        part.training = training
    named = {name: value.cpu() for name, value in found.named_tensors().items()}
    return Prediction.from_named_tensors(named)


def _there(member: Member) -> bool:
    try:
        return len(EvalSet(member.shards, member.limit)) > 0
    except HpsError:
        return False


def first_people(
    recipe: Recipe, member: Member, size: tuple[int, int], spec: ModelSpec
) -> Batch | None:
    """-> the first people of a member, unchanged, with the labels that it means; None: not there."""
    people: list[Sample] = []
    try:
        members = EvalSet(member.shards, member.limit)
    except HpsError:
        return None
    for position in range(min(len(members), 4 * PEOPLE)):
        try:
            people.append(as_meant(members[position], member))
        except BrokenSample:
            continue
        if len(people) == PEOPLE:
            break
    if not people:
        return None
    packed = pack(people, size, recipe.data.joints, crop_scale=recipe.data.crop_scale)
    return ready(to_batch(packed), spec.mean, spec.std)


def _tried(
    prediction: Prediction, batch: Batch, body: Body, spec: ModelSpec, names: list[str]
) -> dict[str, str]:
    """-> for each term "" where its gradient is not zero, else what the people lack."""
    rows = torch.arange(len(batch)) % PICTURES
    leaves = {
        name: value[rows].clone().requires_grad_(value.is_floating_point())
        for name, value in prediction.named_tensors().items()
    }
    moved = Prediction.from_named_tensors(leaves)
    terms = resolve(spec.losses)(moved, batch, body, names)
    learning = [value for value in leaves.values() if value.requires_grad]
    held = {name for name, present in batch.present.items() if bool(present.any())}
    return {
        name: "" if _moves(terms[name], learning) else lacking(name, held, body.kind)
        for name in names
    }


def _moves(term: Tensor, leaves: list[Tensor]) -> bool:
    if not term.requires_grad:
        return False
    found = torch.autograd.grad(term, leaves, retain_graph=True, allow_unused=True)
    return any(bool((value != 0).any()) for value in found if value is not None)


def lacking(term: str, held: set[str], kind: str) -> str:
    """Idle term, labels that people hold -> what they lack: "no 3D joints"."""
    words = {"kind": kind, "body": BODIES.get(kind, kind)}
    _, prefix, called = next(need for need in NEEDS if need[0] in term)
    prefix, called = prefix.format(**words), called.format(**words)
    if any(name.startswith(prefix) for name in held):
        return f"{called} unfit"
    return f"no {called}"


def tell(diary: Diary, found: ActiveTerms) -> None:
    """The table into the story of a run, and a warning for each term that nobody teaches."""
    for number, line in enumerate(found.lines()):
        diary.say("losses" if number == 0 else "", line)
    diary.record({"step": 0, "terms": found.document()})
    for name in found.idle():
        diary.warn(f"loss.{name}", idle_warning(name, found))


def idle_warning(name: str, found: ActiveTerms) -> str:
    """-> the sentence about a term that nobody teaches."""
    reasons = sorted({row.terms[name] for row in found.rows if row.terms})
    return (
        f"loss '{name}' teaches nothing: of the first {PEOPLE} people of each data set nobody has a "
        f"label that it can use ({', '.join(reasons)}). Look at data.joints ({found.joints}) and at what "
        f"the shards hold (hps datasets stats SHARDS), or: loss.{name}=0"
    )
