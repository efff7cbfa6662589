"""Whether shards can give a protocol's number, asked before anybody is measured."""

import hashlib

from hpscli.body.layer import Body
from hpscli.data.evalset import EvalSet
from hpscli.data.remote import read_bytes
from hpscli.data.shards import INDEX
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.registry import Registry
from hpscli.run.places import prepare_line


def check_shards(people: EvalSet, protocol: ProtocolSpec, body: Body, limit: int) -> None:
    """Raise where these shards cannot give this protocol's number."""
    where = people.index.location
    if protocol.samples and not limit and len(people) != protocol.samples:
        raise InvalidData(
            f"{where} holds {len(people)} people; protocol '{protocol.name}' is about "
            f"{protocol.samples}.",
            "Prepare the whole split, or say --limit: the result then says that it is partial.",
        )
    made_of = (people.index.body or {}).get("kind", "")
    other = made_of not in ("", protocol.body, protocol.truth_body)
    if other and not any(name.startswith(f"{protocol.body}.") for name in people.index.arrays):
        raise UsageError(
            f"the people in {where} are {made_of} bodies, protocol '{protocol.name}' is about "
            f"{protocol.body}.",
            "Take shards of that body, or a model and protocol of this one: hps protocols list",
        )
    made_with = (people.index.body or {}).get("source", "")
    if made_with and made_with != body.source:
        raise UsageError(
            f"the people in {where} were made with {made_with} bodies, the model's body is "
            f"{body.source}: an error between the two means nothing.",
            _same_bodies(people, made_with),
        )


def _same_bodies(people: EvalSet, made_with: str) -> str:
    """-> what to type so that people and model are of the same body files."""
    index = people.index
    again = f"hps prepare {index.dataset} --split {index.split or 'SPLIT'}"
    if made_with == "imported":  # the model was loaded with the free body
        return (
            "With the body files that the people were made with: --body-source imported\n"
            f"(they must be here: hps assets list), or make free people: {again} --out DIR"
        )
    return (
        "With the free body, if the model can be built around it: --body-source free\n"
        f"or make the people again with the imported body: {again} --out DIR"
    )


def index_sha256(location: str) -> str:
    """-> hash of the bytes of index.json, which names the hash of every shard."""
    return hashlib.sha256(read_bytes(location, INDEX)).hexdigest()


def check_split(people: EvalSet, spec: ProtocolSpec, registry: Registry) -> None:
    """Raise for people of another split of the protocol's data set: the result would bear its name."""
    index = people.index
    if index.dataset != spec.testset or index.split in ("", spec.split):
        return
    about = (index.dataset, index.split, spec.body)
    protocols: list[ProtocolSpec] = registry.all("protocol")
    own = [p for p in protocols if (p.testset, p.split, p.body) == about]
    own.sort(key=lambda p: (p.joints != spec.joints, not p.default))
    own_name = f"Measure these people by their own: --protocol {own[0].name}" if own else ""
    raise UsageError(
        f"{index.location} holds {index.dataset}/{index.split}, protocol '{spec.name}' is about "
        f"{spec.testset}/{spec.split}.",
        own_name or f"Make the people it is about: {prepare_line(spec, registry)}",
    )
