"""hps bench crops: official image preparations against our one warp, in grey levels and pixels."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table

if TYPE_CHECKING:
    import numpy as np

    from hpscli.data.official_crops.difference import CropDifference
    from hpscli.data.preparation import Preparation

PICTURE = (2400, 2400)  # height, width of the picture that is made when none is given
SHRINK = (0.5, 1.0, 2.0, 4.0)  # box width over crop width
ODD = 1.07  # and a little more, so that no box falls on whole pixels


def crops(
    picture: Annotated[
        Path | None, typer.Argument(help="Photograph; default: one made like it.")
    ] = None,
    bbox: Annotated[str, typer.Option(help="x,y,w,h px of a person; default: many sizes.")] = "",
    boxes: Annotated[int, typer.Option(min=1, help="Boxes of each size.")] = 4,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """What the crops of official code differ by from our one warp of the same box."""
    from hpscli.data.official_crops.difference import photo_like
    from hpscli.render.pictures import read_image

    show = Output(json, quiet)
    image = photo_like(*PICTURE) if picture is None else read_image(picture)
    known = preparations()
    with show.progress("comparing", len(known), "preparations") as advance:
        rows = []
        for preparation in known:
            rows += measure(preparation, image, bbox, boxes)
            advance(1)
    name = "made, seed 0" if picture is None else str(picture)
    document = {"picture": name, "size_px": list(image.shape[:2]), "rows": rows}
    show.result("bench-crops", document, lambda: draw(rows))


def preparations() -> "list[Preparation]":
    """-> those that come with hps, and those that models of plugins bring."""
    from hpscli.data.preparation import PREPARATIONS, preparation
    from hpscli.registry import get_registry

    known = {found.name: found for found in PREPARATIONS}
    for spec in get_registry().all("model"):
        if (found := preparation(spec.crop)) is not None:
            known.setdefault(found.name, found)
    return list(known.values())


def measure(
    preparation: "Preparation", image: "np.ndarray[Any, Any]", bbox: str, boxes: int
) -> list[dict[str, Any]]:
    """One preparation -> a row for each size of box, or for the one box that was typed."""
    import numpy as np

    from hpscli.data.official_crops.difference import crop_difference
    from hpscli.data.preparation import METRO_DEMO
    from hpscli.run.predicting.boxes import check_boxes, parse_box

    size = (image.shape[0], image.shape[1])
    if bbox:
        box = parse_box(bbox)
        check_boxes(box[None], size, "the picture")
        center, width = preparation.place(box, size, preparation.window)
        return [row(preparation, width, [crop_difference(preparation, image, center, width)])]
    random, rows = np.random.RandomState(0), []
    for factor in SHRINK:
        width, found = preparation.window[1] * factor * ODD, []
        for _ in range(boxes):
            center = np.array([size[1], size[0]]) * random.uniform(0.45, 0.55, 2)
            if preparation is METRO_DEMO:  # takes whole pictures
                part = cut_out(image, center, width)
                place = preparation.place(None, part.shape[:2], preparation.window)
                found.append(crop_difference(preparation, part, *place))
            else:
                found.append(crop_difference(preparation, image, center, width))
        rows.append(row(preparation, width, found))
    return rows


def cut_out(
    image: "np.ndarray[Any, Any]", center: "np.ndarray[Any, Any]", side_px: float
) -> "np.ndarray[Any, Any]":
    """-> the part of a picture around a place, as high as a side and 4/3 as wide."""
    top, left = int(center[1] - side_px / 2), int(center[0] - side_px * 2 / 3)
    rows = slice(max(0, top), top + round(side_px))
    return image[rows, max(0, left) : left + round(side_px * 4 / 3)]


def row(
    preparation: "Preparation", width_px: float, found: "list[CropDifference]"
) -> dict[str, Any]:
    """Differences of several boxes of one size -> their means, and the greatest of all."""
    import numpy as np

    values = {name: np.array([asdict(one)[name] for one in found]) for name in asdict(found[0])}
    return {
        "preparation": preparation.name,
        "window": list(preparation.window),
        "box_width_px": width_px,
        "shrinks": width_px / preparation.window[1],
        "mean": float(values["mean"].mean()),
        "percentile95": float(values["percentile95"].mean()),
        "greatest": float(values["greatest"].max()),
        "shift_px": float(np.abs(values["shift_px"]).mean()),
        "greatest_shift_px": float(np.abs(values["shift_px"]).max()),
        "enlarged": float(np.abs(values["enlarged"] - 1.0).max()),
        "stretched": float(values["stretched"].mean()),
        "left_mean": float(values["left_mean"].mean()),
    }


def draw(rows: list[dict[str, Any]]) -> None:
    """The table."""
    columns = (
        "preparation",
        "box / crop",
        "mean",
        "95 %",
        "greatest",
        "shift px",
        "greatest",
        "contrast",
        "left",
    )
    table(
        columns,
        [
            (
                entry["preparation"],
                f"{entry['shrinks']:.2f}",
                f"{entry['mean']:.2f}",
                f"{entry['percentile95']:.1f}",
                f"{entry['greatest']:.0f}",
                f"{entry['shift_px']:.2f}",
                f"{entry['greatest_shift_px']:.2f}",
                f"{entry['stretched']:.2f}",
                f"{entry['left_mean']:.2f}",
            )
            for entry in rows
        ],
        title="against our one warp: grey levels of 255, and pixels of the crop",
    )
