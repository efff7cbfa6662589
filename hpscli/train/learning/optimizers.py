"""Which parameter learns how: groups of a recipe, rates that fall with depth, several optimisers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from hpscli.errors import UsageError
from hpscli.recipe import Optim
from hpscli.train.learning.freezing import matched
from hpscli.train.learning.schedule import Steps, rate_at
from hpscli.train.scaling.sharding import share_out_state, shared, whole

NORM = "gradient norm"  # what it is called where losses are told
REST = ""  # the group of everything that no other group matches
BLOCK = re.compile(r"^(?P<vit>(?:.*\.)?)blocks\.(?P<index>\d+)\.")
FIRST = ("patch_embed.", "pos_embed", "cls_token", "reg_token")  # of a ViT: before its blocks
State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Share:
    """Parameters that learn in the same way."""

    group: str  # its name in the recipe, REST for the others
    kind: str  # adam | adamw | sgd
    lr: float  # before the schedule and `scale`
    scale: float  # by depth, of a ViT
    weight_decay: float
    parameters: Mapping[str, nn.Parameter]


def shares(optim: Optim, module: nn.Module, rate: float) -> list[Share]:
    """Recipe, model, learning rate of this job -> its learning parameters, each in one share.

    rate / optim.lr is what another global batch made of the rate; rates of groups follow it.
    """
    learning = {name: p for name, p in module.named_parameters() if p.requires_grad}
    everything = [name for name, _ in module.named_parameters()]
    for title, group in optim.groups.items():
        matched(group.match, everything, f"optim.groups.{title}")
    depth = depths(everything, optim.layer_decay)
    sorted_out: dict[tuple[str, float], dict[str, nn.Parameter]] = {}
    for name, parameter in learning.items():
        place = group_of(name, optim), depth.get(name, 1.0)
        sorted_out.setdefault(place, {})[name] = parameter
    found = []
    for (title, scale), parameters in sorted_out.items():
        own = optim.groups.get(title)
        lr = rate if own is None or own.lr is None else own.lr * rate / optim.lr
        decay = optim.weight_decay if own is None or own.weight_decay is None else own.weight_decay
        kind = (own.name if own is not None else None) or optim.name
        found.append(
            Share(
                group=title,
                kind=kind,
                lr=lr,
                scale=scale,
                weight_decay=decay,
                parameters=parameters,
            )
        )
    return found


def group_of(name: str, optim: Optim) -> str:
    """Parameter -> the first group that matches it."""
    for title, group in optim.groups.items():
        if any(fnmatchcase(name, pattern) for pattern in group.match):
            return title
    return REST


def depths(names: Sequence[str], decay: float) -> dict[str, float]:
    """Parameter names, decay -> the factor of each parameter of a vision transformer.

    The last block has decay, each block before it once more, the patches and positions one more
    than the first block: the layer-wise decay of BEiT, MAE and ViTPose. All else has 1.
    """
    if decay == 1.0:
        return {}
    found = [hit for name in names if (hit := BLOCK.match(name))]
    vits = {hit["vit"] for hit in found if f"{hit['vit']}patch_embed.proj.weight" in names}
    if not vits:
        raise UsageError(
            f"optim.layer_decay = {decay:g} is for vision transformers, and the model has none: "
            "no parameters patch_embed.* and blocks.N.* beside each other.",
            "Leave it out, or give parts of the model rates of their own: [optim.groups]",
        )
    count = {vit: 1 + max(int(hit["index"]) for hit in found if hit["vit"] == vit) for vit in vits}
    factors = {}
    for name in names:
        hit = BLOCK.match(name)
        if hit and hit["vit"] in vits:
            factors[name] = decay ** (count[hit["vit"]] - int(hit["index"]))
            continue
        for vit in vits:
            if name.startswith(vit) and name.removeprefix(vit).startswith(FIRST):
                factors[name] = decay ** (count[vit] + 1)
    return factors


class Optimizers:
    """The optimisers of a job, one of each kind, stepped together."""

    def __init__(self, optim: Optim, module: nn.Module, rate: float) -> None:
        self.shares = shares(optim, module, rate)
        self.optim = optim
        kinds = list(dict.fromkeys(share.kind for share in self.shares))
        self.each = {kind: _make(kind, self.shares, optim) for kind in kinds}

    def __iter__(self) -> Iterator[torch.optim.Optimizer]:
        return iter(self.each.values())

    def parameters(self) -> list[nn.Parameter]:
        """-> everything that learns."""
        return [parameter for share in self.shares for parameter in share.parameters.values()]

    def set_rates(self, steps: Steps, step: int) -> None:
        """Give every group the learning rate of this step (0-based)."""
        for optimizer in self:
            for group in optimizer.param_groups:
                group["lr"] = group["scale"] * rate_at(self.optim, steps, step, group["base_lr"])

    def rates(self, steps: Steps, step: int) -> dict[str, float]:
        """-> the learning rate of every group at this step, before it falls with depth."""
        return {
            group["group"]: rate_at(self.optim, steps, step, group["base_lr"])
            for optimizer in self
            for group in optimizer.param_groups
        }

    def scale(self, factor: float) -> None:
        """Multiply the rate of every group, before the schedule."""
        for optimizer in self:
            for group in optimizer.param_groups:
                group["base_lr"] *= factor

    def clip(self, norm: float, scaler: Any = None) -> Tensor:
        """Shorten the gradient over all parameters together to this norm, 0: leave it -> what it was.

        A gradient scaler leaves out a step that is not finite by itself; its norms are told as 0.
        """
        if scaler is not None and norm:
            for optimizer in self:
                scaler.unscale_(optimizer)
        if norm:
            total = clip_grad_norm_(self.parameters(), norm)
        elif scaler is None:
            total = get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        if scaler is not None:
            return torch.zeros(())
        found: Tensor = whole(total)
        return found

    def step(self, scaler: Any = None) -> None:
        """One step of each; a gradient scaler is asked for each and moves on once."""
        for optimizer in self:
            if scaler is None:
                optimizer.step()
            else:
                scaler.step(optimizer)
        if scaler is not None:
            scaler.update()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimizer in self:
            optimizer.zero_grad()

    def state_dict(self) -> State:
        """-> {kind: state}."""
        return {kind: optimizer.state_dict() for kind, optimizer in self.each.items()}

    def load_state_dict(self, state: State) -> None:
        """Go on from a stored state of the same groups."""
        for kind, optimizer in self.each.items():
            older = "param_groups" in state  # of versions that had one optimiser, one group
            own = _of_one_group(state, optimizer) if older else state[kind]
            optimizer.load_state_dict(_stepped_alike(own, optimizer))
            share_out_state(optimizer)

    def describe(self) -> str:
        """-> the groups in one line, "" when there is but one."""
        if len({share.group for share in self.shares}) < 2 and self.optim.layer_decay == 1.0:
            return ""
        words = []
        for title in dict.fromkeys(share.group for share in self.shares):
            own = [share for share in self.shares if share.group == title]
            tensors = sum(len(share.parameters) for share in own)
            low, high = min(s.lr * s.scale for s in own), max(s.lr * s.scale for s in own)
            rate = f"{high:g}" if low == high else f"{low:.2g} to {high:g}"
            decay = f" decay {own[0].weight_decay:g}" if own[0].weight_decay else ""
            words.append(
                f"{title or 'the others'}: {own[0].kind} lr {rate}{decay}, {tensors} tensors"
            )
        return " · ".join(words)


def _make(kind: str, found: Sequence[Share], optim: Optim) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = [
        {
            "params": list(share.parameters.values()),
            "lr": share.lr * share.scale,
            "group": share.group,
            "base_lr": share.lr,
            "scale": share.scale,
            "weight_decay": share.weight_decay,
        }
        for share in found
        if share.kind == kind
    ]
    # fused: three times as fast as the default on a CPU
    if kind == "sgd":
        # torch has no fused SGD of weights that are shared out
        fused = not any(shared(p) for group in groups for p in group["params"])
        return torch.optim.SGD(groups, momentum=optim.momentum, fused=fused)
    make = torch.optim.AdamW if kind == "adamw" else torch.optim.Adam
    return make(groups, betas=optim.betas, fused=True)


def _stepped_alike(state: State, optimizer: torch.optim.Optimizer) -> State:
    """Stored state -> the same, stepped as this optimiser is: that is a matter of where it runs."""
    fused = optimizer.param_groups[0]["fused"]
    return {**state, "param_groups": [{**old, "fused": fused} for old in state["param_groups"]]}


def _of_one_group(state: State, optimizer: torch.optim.Optimizer) -> State:
    """State of the only optimiser of an older version -> the same, with what groups now know."""
    (old,), (new,) = state["param_groups"], optimizer.param_groups
    known = {name: new[name] for name in ("group", "base_lr", "scale")}
    return {**state, "param_groups": [{**old, **known}]}
