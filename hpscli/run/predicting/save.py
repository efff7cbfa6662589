"""What `hps predict` writes: pictures, numbers, meshes."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli import __version__
from hpscli.errors import UsageError, did_you_mean
from hpscli.export.meshes import write_mesh
from hpscli.nn.checkpoints import LoadedModel
from hpscli.render.pictures import mesh_colour, render_mesh, turntable, write_image
from hpscli.run.predict import Image, Person

KINDS = ("overlay", "turntable", "json", "npz", "obj", "ply", "glb")
MESHES = ("obj", "ply", "glb")
NEAREST = 0.05  # metres: a body nearer than this, or behind the camera, is not drawn


def parse_kinds(text: str) -> list[str]:
    """ "json,glb" -> ["json", "glb"], or an error with the nearest name."""
    kinds = [word.strip() for word in text.split(",") if word.strip()]
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(
                f"cannot save '{kind}'.", did_you_mean(kind, KINDS) or f"Known: {', '.join(KINDS)}."
            )
    if not kinds:
        raise UsageError("nothing to save.", f"--save takes some of: {', '.join(KINDS)}.")
    return list(dict.fromkeys(kinds))


def output_files(folder: Path, stem: str, count: int, kinds: Collection[str]) -> dict[str, Path]:
    """-> {what: file} for an image with `count` people; one file a person for meshes."""
    found = {}
    for kind in kinds:
        if kind in ("json", "npz"):
            found[kind] = folder / f"{stem}.{kind}"
        elif kind == "overlay":
            found[kind] = folder / f"{stem}.overlay.png"
        else:
            end = "turntable.png" if kind == "turntable" else kind
            for number in range(count):
                name = stem if count == 1 else f"{stem}-{number}"
                found[f"{kind}.{number}"] = folder / f"{name}.{end}"
    return found


def save_people(
    folder: Path,
    stem: str,
    image: Image,
    people: Sequence[Person],
    about: dict[str, Any],
    kinds: Collection[str],
    *,
    force: bool = False,
) -> dict[str, Path]:
    """Write what `kinds` names -> {what: file}. Nothing is overwritten without `force`."""
    files = output_files(folder, stem, len(people), kinds)
    there = [path for path in files.values() if path.exists()]
    if there and not force:
        raise UsageError(f"{there[0]} exists already.", "Choose another --out, or add --force.")
    folder.mkdir(parents=True, exist_ok=True)
    for what, path in files.items():
        kind, _, number = what.partition(".")
        if kind == "json":
            path.write_text(json.dumps(document(people, about), indent=1) + "\n", encoding="utf-8")
        elif kind == "npz":
            with path.open("wb") as stream:
                np.savez_compressed(stream, **arrays(people))
        elif kind == "overlay":
            write_image(path, overlay(image, people))
        elif kind == "turntable":
            person = people[int(number)]
            colour = mesh_colour(int(number))
            write_image(path, turntable(person.vertices, person.faces, colour=colour))
        else:
            person = people[int(number)]
            write_mesh(path, person.vertices, person.faces)
    return files


def overlay(image: Image, people: Sequence[Person]) -> Image:
    """image (H,W,3) RGB -> the same with everybody's mesh on it, the nearest in front."""
    order = sorted(range(len(people)), key=lambda i: -people[i].camera.translation[2])
    for number in order:
        person = people[number]
        if in_front(person):
            placed = person.vertices + person.camera.translation
            image = render_mesh(
                image, placed, person.faces, person.camera.intrinsics, colour=mesh_colour(number)
            )
    return image


def in_front(person: Person) -> bool:
    """-> whether a camera could see the whole body; a model that has learned nothing may say else."""
    return bool((person.vertices[:, 2] + person.camera.translation[2]).min() > NEAREST)


def about_image(model: LoadedModel, name: str, image: Image, focal_source: str) -> dict[str, Any]:
    """-> what is said once for an image: model, body, size, where the focal length comes from."""
    return {
        "image": name,
        "image_size_px": [int(image.shape[0]), int(image.shape[1])],
        "focal_source": focal_source,
        "model": model.spec.name,
        "checkpoint": {"name": model.name, "sha256": model.sha256},
        "body": model.body.describe(),
        "hps_version": __version__,
    }


def document(people: Sequence[Person], about: dict[str, Any]) -> dict[str, Any]:
    """-> hps/predict/1: all numbers but the vertices; metres, radians, pixels of the image."""
    return {
        "schema": "hps/predict/1",
        **about,
        "people": [
            {
                "box": None if p.box is None else p.box.tolist(),
                "score": p.score,
                **({"hand": p.hand} if p.hand else {}),
                "camera": {
                    "intrinsics": p.camera.intrinsics.tolist(),
                    "translation": p.camera.translation.tolist(),
                    "focal_assumed": p.camera.focal_assumed,
                },
                "weak_camera": p.weak_camera.tolist(),
                "crop": {
                    "affine": p.affine.tolist(),
                    "size_px": list(p.crop_size),
                    "preparation": p.preparation,
                },
                "parameters": {name: v.tolist() for name, v in p.parameters.items()},
                "joints": {name: v.tolist() for name, v in p.joints.items()},
                "joints2d": {name: v.tolist() for name, v in p.joints2d.items()},
            }
            for p in people
        ],
    }


def arrays(people: Sequence[Person]) -> dict[str, Any]:
    """-> everything of N people, stacked: vertices (N,V,3), joints.SET (N,J,3), ..."""
    if not people:
        return {"vertices": np.zeros((0, 0, 3))}
    found: dict[str, NDArray[Any]] = {
        "vertices": np.stack([p.vertices for p in people]).astype(np.float32),
        "faces": people[0].faces,
        "intrinsics": np.stack([p.camera.intrinsics for p in people]),
        "translation": np.stack([p.camera.translation for p in people]),
        "focal_assumed": np.array([p.camera.focal_assumed for p in people]),
        "weak_camera": np.stack([p.weak_camera for p in people]),
        "affine": np.stack([p.affine for p in people]),
        "score": np.array([p.score for p in people]),
        "box": np.stack([np.full(4, np.nan) if p.box is None else p.box for p in people]),
    }
    for group in ("joints", "joints2d", "parameters"):
        for name in getattr(people[0], group):
            found[f"{group}.{name}"] = np.stack([getattr(p, group)[name] for p in people])
    return found
