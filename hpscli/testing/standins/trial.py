"""A recipe as it can be tried here: stand-ins for its data, random weights, a small batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpscli.body.layer import load_body
from hpscli.errors import HpsError
from hpscli.hooks import ModelSpec, ProtocolSpec
from hpscli.metrics.protocol_names import protocol_named
from hpscli.metrics.rules import rule_of
from hpscli.nn.options import adapted, complete_options
from hpscli.recipe import Recipe, validated
from hpscli.registry import Registry, get_registry
from hpscli.testing.standins.folders import Standins
from hpscli.testing.standins.labels import Labels, labels_for, labels_of
from hpscli.train.recipes.network import Network, matching, network_of
from hpscli.train.recipes.prepare_lines import read_line

LARGEST = 120e6  # parameters of a network that is tried as it is
BATCH = 2
TINY = {"hand": "hand-tiny", "": "tiny"}  # by option `target`: the family's small preset


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A recipe that needs nothing but what is here, and what was changed for that."""

    recipe: Recipe
    notes: tuple[str, ...]
    small: bool  # the family's tiny network in place of the recipe's
    parameters: int  # of the recipe's own network


def trial(recipe: Recipe, standins: Standins, *, small: bool = False, whole: bool = False) -> Trial:
    """-> the recipe on stand-ins, one small batch at a time.

    small: with the family's tiny network; whole: with its own, however large; else by its size.
    """
    network, registry = network_of(recipe), get_registry()
    notes: list[str] = []
    raw = recipe.model_dump(exclude_none=True)
    large = network.parameters > LARGEST and not whole
    preset = _tiny(recipe, network) if small or large else ""
    spec = _without_files(raw, recipe, network, preset, notes)
    _members(raw, recipe, standins, spec.body)
    if preset:
        _patterns(raw, network_of(validated(raw, recipe.name)).names, notes)
    _validation(raw, standins, registry, spec, notes)
    if recipe.adversary is not None:
        raw["adversary"]["poses"] = str(standins.poses())
    if recipe.export is not None:
        _export(raw, standins, registry)
    _cheap(raw)
    return Trial(
        recipe=validated(raw, recipe.name),
        notes=tuple(notes),
        small=bool(preset),
        parameters=network.parameters,
    )


def _tiny(recipe: Recipe, network: Network) -> str:
    """-> the family's small preset; "" where there is none, or the recipe has it."""
    preset = TINY.get(str(network.options.get("target", "")), TINY[""])
    known = preset in network.spec.presets
    return preset if known and recipe.model.preset != preset else ""


def _without_files(
    raw: dict[str, Any], recipe: Recipe, network: Network, preset: str, notes: list[str]
) -> ModelSpec:
    """Free body, random weights, the preset if there is one -> the model's record then."""
    model, spec, options = raw["model"], network.spec, network.options
    model["body"] = "free"
    for key in ("init", "backbone"):
        if model[key]:
            notes.append(f"starts at random, not from {model[key]}")
            model[key] = ""
    if recipe.augment.occluders_file:
        notes.append("occluders that hps draws")
        raw["augment"]["occluders_file"] = ""
    if preset:
        model["preset"] = preset
        model["options"] = _carried(spec, preset, options)
        raw["data"].pop("image_size", None)
    record = get_registry().model(model["name"])
    return adapted(record, complete_options(record, model["preset"], model["options"]))


def _carried(spec: ModelSpec, preset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """-> the recipe's words and switches that the small preset leaves open: losses, outputs, targets.

    Numbers are sizes, and stay the small one's.
    """
    return {
        name: value
        for name, value in options.items()
        if name not in spec.presets[preset]
        and isinstance(value, str | bool)
        and value != spec.defaults[name]
        and name != "crop"  # of an official size
    }


def _members(raw: dict[str, Any], recipe: Recipe, standins: Standins, body: str) -> None:
    for name, member in recipe.data.mix.items():
        if member.weight > 0:
            labels = labels_of(read_line(member.prepare, member.shards), body)
            raw["data"]["mix"][name]["shards"] = str(standins.shards(labels))
            raw["data"]["mix"][name]["limit"] = 0


def _patterns(raw: dict[str, Any], names: tuple[str, ...], notes: list[str]) -> None:
    """Keep the globs of parameters that the tiny network has too.

    That each means something in the recipe's own network is for `problems` to say.
    """
    idle: list[str] = []

    def kept(globs: Sequence[str]) -> tuple[str, ...]:
        idle.extend(glob for glob in globs if not matching((glob,), names))
        return tuple(glob for glob in globs if matching((glob,), names))

    given: dict[str, dict[str, Any]] = raw["optim"]["groups"]
    groups = {name: {**one, "match": kept(one["match"])} for name, one in given.items()}
    raw["optim"]["groups"] = {name: one for name, one in groups.items() if one["match"]}
    frozen = kept(raw["train"]["freeze"])
    if len(matching(frozen, names)) == len(names):  # nothing would learn
        idle, frozen = [*idle, *frozen], ()
    raw["train"]["freeze"] = frozen
    raw["train"]["fixed_statistics"] = kept(raw["train"]["fixed_statistics"])
    if idle:
        notes.append(f"not of the tiny network: {', '.join(idle)}")


def _validation(
    raw: dict[str, Any],
    standins: Standins,
    registry: Registry,
    spec: ModelSpec,
    notes: list[str],
) -> None:
    """Stand-in people under the protocol that chooses, or under one of ours where it wants licensed files."""
    chooses, other = "validation", "validation_as_published"
    if raw["train"]["as_published"]:
        chooses, other = other, chooses
    raw["data"].pop(other, None)
    part = raw["data"].get(chooses)
    if part is None:
        return
    protocol = protocol_named(registry, part["protocol"])
    if reason := _cannot_measure(protocol):
        ours = [p for p in registry.all("protocol") if p.body == spec.body and p.standing == "ours"]
        ours = [p for p in ours if not _cannot_measure(p)]
        if not ours:
            notes.append(f"no validation: {reason}")
            del raw["data"][chooses]
            raw["train"]["as_published"] = False
            return
        protocol = ours[0]
        notes.append(f"measured by {protocol.name}: {reason}")
    part |= {"protocol": protocol.name, "shards": str(standins.shards(labels_for(protocol)))}
    part |= {"batch": BATCH, "limit": BATCH}


def _cannot_measure(protocol: ProtocolSpec) -> str:
    """-> why this protocol has no numbers with the free body, or ""."""
    try:
        rule_of(protocol, load_body(protocol.body, source="free"))
    except HpsError as error:
        return error.problem
    return ""


def _export(raw: dict[str, Any], standins: Standins, registry: Registry) -> None:
    writer = registry.get("writer", raw["export"]["writer"])
    body = writer.bodies[0]
    labels = Labels(
        body=body,
        parameters=True,
        everything=True,
        dataset=writer.testset,
        split=writer.split,
    )
    raw["export"]["shards"] = str(standins.shards(labels))


def _cheap(raw: dict[str, Any]) -> None:
    """A batch of two, one process, no workers, full precision."""
    raw["data"]["workers"] = 0
    raw["optim"] |= {"batch": BATCH, "accumulate": 1, "global_batch": 0}
    raw["train"] |= {"dtype": "fp32", "compile": False, "sharding": "none", "overlays": 0}
    raw["train"] |= {"keep": 1}
