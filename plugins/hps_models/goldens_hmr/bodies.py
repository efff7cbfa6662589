"""The surrogate bodies that the goldens of the HMR family were made with."""

from typing import Any

from hpscli.body.layer import Body
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.surrogates import surrogate_body, surrogate_regressor

VERTICES = 6890


def surrogate_smpl(options: ReplayOptions, gender: str = "neutral") -> Body:
    """-> SMPL of random arrays with both regressors; each gender has its own seed."""
    seeds = {"neutral": ("body_seed", 7), "male": ("male_seed", 17), "female": ("female_seed", 18)}
    return Body(
        "smpl",
        surrogate_body("smpl", options.get(*seeds[gender])),
        gender=gender,
        source="surrogate",
        regressors=_regressors(options),
    )


def _regressors(options: ReplayOptions) -> dict[str, Any]:
    """-> J_regressor_extra (9,6890) and J_regressor_h36m (17,6890)."""
    return {
        "extra": surrogate_regressor(9, VERTICES, options.get("regressor_extra_seed", 13)),
        "h36m17": surrogate_regressor(17, VERTICES, options.get("regressor_h36m_seed", 14)),
    }
