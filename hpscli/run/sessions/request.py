"""What somebody typed after `hps eval`, and whether it can be meant."""

from dataclasses import dataclass
from pathlib import Path

from hpscli.errors import UsageError
from hpscli.launched import launched
from hpscli.run.evaluating.settings import Settings
from hpscli.run.inference import check_crop
from hpscli.run.places import check_dtype
from hpscli.run.tta import check_tta

ALL = "all"  # --testset all


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody typed after `hps eval`."""

    checkpoint: str = ""  # or a file of predictions
    testset: str = ""
    protocol: str = ""
    shards: str = ""
    batch: int = 32
    limit: int = 0
    gpus: int = 0
    processes: int = 0
    device: str = ""
    dtype: str = "fp32"
    flip: bool = False
    tta: str = ""
    crop: str = ""
    boxes: str = ""
    metrics: tuple[str, ...] = ()
    body_source: str = ""
    baseline: str = ""
    visualize: bool = False
    multi_view: bool = False
    save_predictions: Path | None = None
    report: bool = True
    dry_run: bool = False
    out: Path | None = None
    force: bool = False

    @property
    def settings(self) -> Settings:
        """-> how to evaluate."""
        return Settings(
            batch=self.batch,
            limit=self.limit,
            flip=self.flip,
            tta=self.tta,
            dtype=self.dtype,  # type: ignore[arg-type]  # `check` has seen it
            crop=self.crop,  # type: ignore[arg-type]  # and this
            boxes=self.boxes,
        )


def check(request: Request) -> None:
    """Raise for what cannot be meant, before anything is loaded."""
    if not (request.testset or request.protocol):
        raise UsageError(
            "which test set?", "hps eval --testset synthetic     (all: hps protocols list)"
        )
    if request.testset == ALL:
        _check_all(request)
    check_dtype(request.dtype)
    check_crop(request.crop)
    check_tta(request.tta)
    if request.flip and request.tta not in ("", "flip"):
        raise UsageError(
            "--flip and --tta exclude each other.", f"Leave out one: --tta {request.tta}"
        )
    if request.body_source not in ("", "free", "imported"):
        raise UsageError(f"no body source '{request.body_source}'.", "One of: free, imported.")
    if request.multi_view and not request.visualize:
        raise UsageError("--multi-view is for pictures.", "Add --visualize.")
    if request.gpus and request.processes:
        raise UsageError(
            "--gpus and --processes exclude each other.", "--processes is for the CPU."
        )
    if (request.gpus or request.processes) and launched():
        raise UsageError(
            "a launcher has started several processes already.", "Leave out --gpus and --processes."
        )


def _check_all(request: Request) -> None:
    """Raise for words that are about one test set, when all are asked for."""
    for word in ("protocol", "shards", "boxes", "baseline", "save_predictions"):
        if getattr(request, word):
            option = word.replace("_", "-")
            raise UsageError(
                f"--{option} is about one test set, --testset all about many.",
                f"Leave out --{option}, or name the test set.",
            )
    if request.out is not None and request.out.suffix == ".json":
        raise UsageError(
            f"--out {request.out} is one file, --testset all makes many.", "Name a folder."
        )
