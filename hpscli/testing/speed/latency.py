"""How long a network takes, against a plain eager form of the same operations in the same process.

All forms have the same weights and see the same images; turns alternate, so that other programs slow
all of them alike. A gain is the median over turns of plain time over time. With one CPU thread the
clock is that of the process, which other programs do not move; else the one on the wall.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from hpscli.body.hierarchy import Hierarchy
from hpscli.testing.speed.plain import FORMS

OURS, PLAIN, LAYOUT = "as loaded", "plain", "channels last"
MIXED, COMPILED = "bf16", "torch.compile"
SEED = 7  # of the images
FEWEST = 3  # turns
WHOLE, REST, UP = "(whole)", "(rest)", "hierarchy.up"  # what is no called part of the network


@dataclass(frozen=True)
class Timing:
    """The turns of one form, and its gain over another form, both in the same order."""

    form: str
    seconds: tuple[float, ...]
    against: tuple[float, ...] = ()  # seconds of the form that `gain` compares with
    note: str = ""

    @property
    def best_ms(self) -> float:
        return 1000 * min(self.seconds, default=float("nan"))

    @property
    def median_ms(self) -> float:
        return 1000 * statistics.median(self.seconds or [float("nan")])

    @property
    def gain(self) -> float:
        """-> how many times faster than the other form: the median over turns."""
        ratios = [a / b for a, b in zip(self.against, self.seconds, strict=True)]
        return statistics.median(ratios or [float("nan")])

    @property
    def best_gain(self) -> float:
        """-> the same of the fastest turn of each."""
        return min(self.against, default=float("nan")) / min(self.seconds, default=float("nan"))


@dataclass
class Form:
    """One way to compute the network: a module, contexts around its call."""

    name: str
    module: Callable[[Tensor], Any]
    contexts: Sequence[Callable[[], Any]] = ()
    against: str = PLAIN
    note: str = ""
    seconds: list[float] = field(default_factory=list)


def used_forms(module: nn.Module, images: Tensor) -> list[str]:
    """-> those of FORMS that this network has any use for."""
    found = []
    for name, context in FORMS.items():
        with torch.inference_mode(), context() as uses:
            module(images[:1])
        if uses.count:
            found.append(name)
    return found


def forms_of(module: nn.Module, images: Tensor, *, compiled: bool) -> list[Form]:
    """Network, images -> the plain form, ours, and plain with one thing of ours at a time.

    The network itself gets the memory layout of loaded models; the others are copies.
    """
    usual = deepcopy(module).to(memory_format=torch.contiguous_format)
    layout = getattr(module, "memory_format", torch.channels_last)  # as models are loaded
    ours = module.to(memory_format=layout)
    last = ours if layout == torch.channels_last else deepcopy(usual)
    last = last.to(memory_format=torch.channels_last)
    used = used_forms(module, images)
    off = {name: FORMS[name] for name in used}
    forms = [Form(PLAIN, usual, tuple(off.values())), Form(OURS, ours)]
    if any(isinstance(part, nn.Conv2d) for part in module.modules()):
        forms.append(Form(LAYOUT, last, tuple(off.values())))
    for name in used:
        rest = tuple(context for other, context in off.items() if other != name)
        forms.append(Form(name, usual, rest))
    device = images.device.type
    mixed = partial(torch.autocast, device, dtype=torch.bfloat16)
    forms.append(Form(MIXED, ours, (mixed,), OURS))
    if compiled:
        program = torch.compile(ours, dynamic=False)
        forms.append(Form(COMPILED, program, (), OURS))
        if device == "cuda":
            forms.append(Form(f"{COMPILED}, {MIXED}", program, (mixed,), OURS))
    return forms


def measure(
    module: nn.Module,
    images: Tensor,
    *,
    turns: int,
    compiled: bool = False,
    advance: Callable[[int], None] = lambda n: None,
) -> list[Timing]:
    """Network in eval mode, images (B,3,H,W) -> the timing of every form, plain first."""
    forms = forms_of(module, images, compiled=compiled)
    clock = clock_of(images.device)
    for form in forms:  # warm up: what is kept is made, programs are compiled
        try:
            _turn(form, images, clock)
        except Exception as error:  # a compiler may be missing, or an operation without bf16
            form.note = f"cannot: {type(error).__name__}"
        advance(1)
    running = [form for form in forms if not form.note]
    for number in range(max(turns, FEWEST)):
        first = number % len(running)
        for form in running[first:] + running[:first]:
            form.seconds.append(_turn(form, images, clock))
            advance(1)
    seconds = {form.name: tuple(form.seconds) for form in forms}
    return [
        Timing(
            form.name, seconds[form.name], seconds[form.against] if form.seconds else (), form.note
        )
        for form in forms
    ]


def random_images(size: tuple[int, int], batch: int, device: str = "cpu") -> Tensor:
    """-> images (B,3,H,W) as they look after normalisation; always the same."""
    draw = torch.Generator().manual_seed(SEED)
    return torch.randn(batch, 3, *size, generator=draw).to(device)


def clock_of(device: torch.device) -> Callable[[], float]:
    """-> seconds; on a GPU when its work is done."""
    if device.type == "cuda":

        def synchronised() -> float:
            torch.cuda.synchronize(device)
            return time.perf_counter()

        return synchronised
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def _turn(form: Form, images: Tensor, clock: Callable[[], float]) -> float:
    """-> seconds of the faster of two calls: the first finds the caches full of another form."""
    seconds = []
    with _as(form):
        for _ in range(2):
            start = clock()
            form.module(images)
            seconds.append(clock() - start)
    return min(seconds)


@contextmanager
def _as(form: Form) -> Iterator[None]:
    with torch.no_grad(), ExitStack() as stack:
        for context in form.contexts:
            stack.enter_context(context())
        yield


@dataclass(frozen=True)
class Stage:
    """The time of one part of the network, its own parts included."""

    path: str
    seconds: Mapping[str, float]  # by form, the best turn


def stages(module: nn.Module, images: Tensor, *, turns: int) -> list[Stage]:
    """-> the time of every child and grandchild that is called, as loaded and plain."""
    forms = [
        form for form in forms_of(module, images, compiled=False) if form.name in (PLAIN, OURS)
    ]
    clock = clock_of(images.device)
    best: dict[str, dict[str, float]] = {}
    for number in range(max(turns, FEWEST) + 1):
        for form in forms:
            with _as(form), _timed_parts(form.module, clock) as spent:
                form.module(images)
                spent.clear()
                start = clock()
                form.module(images)
                spent[WHOLE] = clock() - start
            if number:  # the first turn warms up
                for path, seconds in spent.items():
                    of_form = best.setdefault(path, {})
                    of_form[form.name] = min(seconds, of_form.get(form.name, seconds))
    whole = best.pop(WHOLE)
    tops = [path for path in best if "." not in path]
    rest = {name: whole[name] - sum(best[top].get(name, 0.0) for top in tops) for name in whole}
    rows = []
    for top in tops:
        parts = [path for path in best if path.startswith(f"{top}.")]
        rows += [Stage(path, best[path]) for path in (top, *parts)]
    return [*rows, Stage(REST, rest), Stage(WHOLE, whole)]


@contextmanager
def _timed_parts(module: Any, clock: Callable[[], float]) -> Iterator[dict[str, float]]:
    """Yield {path: seconds} of children and grandchildren, filled while the network runs.

    A child that is never called as a whole, only its parts are, gets the sum of those.
    """
    spent: dict[str, float] = {}
    whole: set[str] = set()
    starts: dict[str, float] = {}

    def enter(path: str) -> None:
        starts[path] = clock()

    def leave(path: str) -> None:
        spent[path] = spent.get(path, 0.0) + clock() - starts[path]
        whole.add(path)

    def up(*arguments: Any) -> Tensor:
        enter(UP)
        finer = grow(*arguments)
        leave(UP)
        return finer

    grow, handles = Hierarchy.up, []
    for path, part in module.named_modules():
        if path and path.count(".") < 2:
            handles.append(part.register_forward_pre_hook(lambda *_, p=path: enter(p)))
            handles.append(part.register_forward_hook(lambda *_, p=path: leave(p)))
    try:
        with patch.object(Hierarchy, "up", up):
            yield spent
    finally:
        for handle in handles:
            handle.remove()
    for path in [path for path in spent if path.count(".") == 1]:
        parent = path.partition(".")[0]
        if parent not in whole:
            spent[parent] = spent.get(parent, 0.0) + spent[path]
