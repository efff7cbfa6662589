"""How to evaluate."""

from dataclasses import dataclass

from hpscli.run.inference import Crop, Dtype


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evaluate; none of it changes what the number means, except flip, tta, crop and limit."""

    batch: int = 32
    limit: int = 0
    flip: bool = False
    tta: str = ""  # of hpscli.run.tta: "flip" is the same as flip=True
    dtype: Dtype = "fp32"
    crop: Crop = ""
    boxes: str = ""  # file of boxes in place of the annotated ones
    overlap: bool = True  # read and measure while the network works; changes no bit

    @property
    def augmentation(self) -> str:
        """-> "", "flip" or "multiscale"."""
        return self.tta or ("flip" if self.flip else "")
