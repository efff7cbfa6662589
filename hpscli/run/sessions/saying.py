"""What is said of a protocol before it is measured."""

from collections.abc import Callable

from hpscli.data.evalset import EvalSet
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.standing import STANDINGS
from hpscli.run.sessions.request import Request

Say = Callable[[str, object], None]


def say_protocol(
    spec: ProtocolSpec, request: Request, people: EvalSet, remark: str, say: Say
) -> None:
    """Say people, joints, crop, shards, and what the numbers may be set beside."""
    root = " and ".join(spec.root) or "no"
    say("protocol", f"{spec.name}   {len(people)} people, {spec.joints}, {root} root")
    say("", f"{standing(spec)}{f'   licence: {spec.licence}' if spec.licence else ''}")
    augmented = request.settings.augmentation
    words = f"flip {'on' if augmented == 'flip' else 'off'}"
    words += f" · {augmented}" if augmented not in ("", "flip") else ""
    box = f"the boxes of {request.boxes}" if request.boxes else "the annotated box"
    part = f" · only the first {len(people)}" if request.limit else ""
    say("", f"crop {spec.crop_scale:g} x {box} · {words} · {request.dtype}{part}")
    say("shards", f"{people.location}   {remark}".rstrip())
    held = f"{people.index.dataset}/{people.index.split}"
    if held != f"{spec.testset}/{spec.split}":
        say("note", f"these are people of {held}; the figures are not those of {spec.name}")


def standing(spec: ProtocolSpec) -> str:
    """-> what a protocol's numbers may be set beside, in a line."""
    meaning = STANDINGS.get(spec.standing, "")
    line = f"{spec.standing}: {meaning}" if meaning else spec.standing
    return f"{line} (beside it: {spec.beside})" if spec.beside else line
