"""How to evaluate."""

from dataclasses import dataclass

from hpscli.run.inference import Crop, Dtype


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evaluate; none of it changes what the number means, except flip, crop and limit."""

    batch: int = 32
    limit: int = 0
    flip: bool = False
    dtype: Dtype = "fp32"
    crop: Crop = ""
