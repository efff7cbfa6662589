"""Registers the data set `folder`; its reader imports numpy, which listing must not pay for."""

from hpscli.hooks import DatasetSpec, hookimpl


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> people in pictures of your own."""
    return [
        DatasetSpec(
            name="folder",
            samples="hps_datasets.folder:samples",
            parallel="hps_datasets.folder:parallel",
            splits=("train", "validation", "test"),
            summary="Your own images, with people.jsonl or a COCO-keypoints JSON beside them",
            licence="yours",
            access="open",
            homepage="docs/howto/own-images.md",
            options={
                "annotations": "",  # file below the folder; "": people.jsonl, or the only *.json
                "joints": "coco17",  # joint set of a COCO file's keypoints
                "box_scale": 1.2,  # side of the crop / longer side of the box
                "crop_px": 0,  # store crops of at most this side; 0: the untouched pictures
            },
        )
    ]
