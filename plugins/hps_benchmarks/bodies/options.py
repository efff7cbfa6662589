"""What tells the papers' rules from each other: the options of one rule."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from hpscli.errors import UsageError

Root = Literal["pelvis", "mid_hip", "stored"]
Average = Literal["people", "batches", "joints"]


@dataclass(frozen=True, kw_only=True)
class BodyOptions:
    """One paper's rule. Predicted joints are those of `ProtocolSpec.joints`, from the mesh."""

    count: int = 14  # joints: 14 or 17
    # Annotated joint sets, the first that a person has; where nobody has any: `otherwise`.
    labels: tuple[str, ...] = ()
    otherwise: str = ""  # joint set regressed from the true mesh; "": the person is left out
    root: Root = "pelvis"  # mid_hip: middle of the hips; stored: labels of SPIN stay where they are
    unknown_gender: str = "neutral"  # of the true body where nobody says: neutral, male or female
    centred_mesh: bool = True  # whether both meshes are moved to their pelvis
    reposed: bool = False  # whether the prediction's mesh is posed again with the true gender
    average: Average = "people"  # batches: METRO's weighted average; joints: one mean over all
    batch: int = 30  # people of a batch in METRO's evaluation
    inside_picture: bool = False  # whether people with a joint outside of the picture are left out
    universal: bool = False  # whether labels of MPI-INF-3DHP have to be those of univ_annot3
    in_motion: bool = (
        False  # whether the acceleration error is a figure; needs frames in the metadata
    )
    strict: bool = True  # as the official code: what it has no value for, has none

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "BodyOptions":
        """ProtocolSpec.options -> the options; a name that is none of them is an error."""
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise UsageError(
                f"the rule of bodies has no option '{unknown[0]}'.", str(sorted(known))
            )
        return cls(**given)
