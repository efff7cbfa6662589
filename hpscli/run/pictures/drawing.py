"""Pictures of people of an evaluation, beside its result."""

from pathlib import Path

from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.nn.checkpoints import LoadedModel
from hpscli.run.inference import preparation_of
from hpscli.run.pictures.gallery import write_gallery
from hpscli.run.pictures.strips import EVERYBODY, write_strips
from hpscli.run.sessions.request import Request


def draw_people(
    file: Path,
    model: LoadedModel,
    shards: str,
    spec: ProtocolSpec,
    result: Result,
    request: Request,
) -> dict[str, Path]:
    """-> {caption: picture file} of the worst, the median and the best, all together first."""
    picture, folder = (
        file.with_name(f"{file.stem}.people.png"),
        file.with_name(f"{file.stem}.people"),
    )
    crop = preparation_of(model, request.crop, measuring=True)
    sheet = write_gallery(picture, model, shards, spec, result, preparation=crop)
    folder.mkdir(exist_ok=True)
    strips = write_strips(
        folder, model, shards, spec, result, multi_view=request.multi_view, preparation=crop
    )
    alone = {caption: strip for caption, strip in strips.items() if caption != EVERYBODY}
    return {"worst, median and best people": sheet, **alone}
