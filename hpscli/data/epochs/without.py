"""Labels that a member of the mix means: what it leaves out is as if nobody had ever labelled it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from hpscli.body.joints import joint_set_names
from hpscli.data.sample import MESHES, REQUIRED, SHAPES
from hpscli.errors import UsageError, did_you_mean
from hpscli.recipe import Member
from hpscli.records import Sample

JOINTS_OF_BODY = "joints_of_body"  # in a person's meta: the training makes their 3D joints


def as_meant(sample: Sample, member: Member) -> Sample:
    """-> the person with the labels that their member means.

    3D joints of bodies are marked here and made on the device: hpscli.train.losses.bodies.
    """
    if member.joints3d == "labels":
        return leave_out(sample, member.without)
    kept = leave_out(sample, (*member.without, "keypoints3d.*"))
    return replace(kept, meta={**kept.meta, JOINTS_OF_BODY: True})


def left_out(name: str, globs: Sequence[str]) -> bool:
    """Name of an array, `without` of its member -> whether it is left out; boxes never are."""
    return name not in REQUIRED and any(fnmatchcase(name, glob) for glob in globs)


def leave_out(sample: Sample, globs: Sequence[str]) -> Sample:
    """-> the person without these labels."""
    if not globs:
        return sample
    kept = {name: array for name, array in sample.arrays.items() if not left_out(name, globs)}
    return replace(sample, arrays=kept)


def check_globs(
    without: Mapping[str, Sequence[str]], arrays: Mapping[str, Collection[str]]
) -> None:
    """`without` and arrays in the shards, by member -> an error for a glob that no label can match."""
    known = [
        *(name for name in (*SHAPES, *MESHES) if name not in REQUIRED),
        *(f"keypoints{axes}d.{name}" for name in joint_set_names() for axes in (2, 3)),
    ]
    for member, globs in without.items():
        names = {*known, *arrays.get(member, ())}
        for glob in globs:
            if not any(left_out(name, [glob]) for name in names):
                raise UsageError(
                    f"data.mix.{member}.without = '{glob}' matches no label.",
                    did_you_mean(glob, names) or "For example: keypoints3d.*",
                )
