"""Whether shards can give a protocol's number, asked before anybody is measured."""

import hashlib

from hpscli.body.layer import Body
from hpscli.data.evalset import EvalSet
from hpscli.data.remote import read_bytes
from hpscli.data.shards import INDEX
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec


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
            "Prepare the shards again with the same body files, or train on the same ones.",
        )


def index_sha256(location: str) -> str:
    """-> hash of the bytes of index.json, which names the hash of every shard."""
    return hashlib.sha256(read_bytes(location, INDEX)).hexdigest()
