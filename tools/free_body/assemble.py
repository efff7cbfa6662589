"""Puts the free bodies together: samples in, the arrays of the files out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tools.free_body import face, hands, joints, numbering
from tools.free_body.decimate import Decimator, thin_skin
from tools.free_body.hierarchy import closest_on_mesh
from tools.free_body.read import Source
from tools.free_body.shape_space import (
    mean_and_extremes,
    principal_directions,
    regressed_directions,
)
from tools.free_body.surfaces import (
    border_edges,
    close_pockets,
    compact,
    pocket_vertices,
)
from tools.free_body.tpose import People

Array = NDArray[Any]

SMPL_VERTICES, SKIN_VERTICES, EYE_RIM = 6890, 9383, 17
HAND_VERTICES, HAND_RIM = 778, 16
H36M_TO_J14 = (3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10)
H36M_TO_J17 = (*H36M_TO_J14, 0, 7, 9)
LICENCE = "CC0-1.0; derived from MakeHuman/MPFB2 assets (CC0), see NOTICE.md"
SHORT_LICENCE = "CC0-1.0; see NOTICE.md"


@dataclass(frozen=True)
class Built:
    """The arrays of one file, and the figures that only the build knows."""

    arrays: dict[str, Array]
    figures: dict[str, float]


def rounded(values: Array, digits: int = 6) -> Array:
    """-> float32, to a micrometre if not said otherwise: smaller files, and no last-bit noise."""
    return (np.round(values, digits) + 0.0).astype(np.float32)


def eye_centres(source: Source, who: People) -> Array:
    """-> (S,3) of the left eyeball."""
    return np.asarray(who.heads[:, source.bones.index("eye.L")])


@dataclass(frozen=True)
class Skin:
    """Kept vertices (V,) of MakeHuman in their final order, faces (F,3), mirror (V,), weights (V,J)."""

    kept: Array
    faces: Array
    mirror: Array
    weights: Array


def thinned(
    source: Source,
    adults: People,
    samples: Array,
    faces: Array,
    weights: Array,
    wanted: tuple[int, int, dict[str, tuple[int, ...]]],
) -> Skin:
    """samples (S,N,3), wanted (vertices, vertices per eye rim, fixed numbers) -> the thinned skin."""
    count, rim, numbers = wanted
    shapes = mean_and_extremes(principal_directions(samples, 2))
    kept, thin, mirror = thin_skin(shapes, faces, weights, source.mirror, count, rim)
    bone_weights = np.asarray(source.weights[kept].todense())
    heads, tails = adults.heads.mean(0), adults.tails.mean(0)
    found = numbering.spots(
        shapes[0, kept], bone_weights, source.bones, heads, tails, mirror=mirror
    )
    order = numbering.renumbering(count, numbers, found)
    return Skin(
        kept[order],
        numbering.renumber_faces(thin, order),
        numbering.renumber_mirror(mirror, order),
        weights[kept[order]],
    )


def closed(source: Source, who: People) -> Array:
    """-> the bodies (S,N,3) with lips and lids shut."""
    eyes = eye_centres(source, who)
    return close_pockets(
        who.vertices, source.faces, source.face_labels, eyes, who.eye_radius, source.mirror
    )


def build_smpl(source: Source, adults: People, kid: People) -> tuple[Built, Array]:
    """-> free_smpl.npz and the shape scores (S,10), which all bodies share."""
    tree = joints.skeleton("smpl", source.bones, source.bone_parents)
    weights = joints.merged_weights(tree, source.weights, source.mirror)
    whole = closed(source, adults)
    wanted = (SMPL_VERTICES, 0, numbering.SMPL_NUMBERS)
    skin = thinned(source, adults, whole, source.faces, weights, wanted)
    samples = whole[:, skin.kept]
    space = principal_directions(samples)
    targets = joints.joint_positions(tree, source.bones, adults.heads)
    regressor = joints.fit_regressor(samples, targets, skin.weights, skin.mirror, tree.mirror)
    human, extra = joints.extra_regressors(regressor, space.mean, skin.mirror, skin.weights)
    error = joints.regressor_error(regressor, samples, targets)
    stature = np.ptp(samples[:, :, 1], axis=1)
    arrays = {
        "v_template": rounded(space.mean),
        "shapedirs": rounded(space.directions),
        "posedirs": np.zeros((SMPL_VERTICES, 3, 207), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": skin.weights.astype(np.float32),
        "kintree_table": tree.table,
        "f": skin.faces.astype(np.uint32),
        "mirror_vertices": skin.mirror.astype(np.int32),
        "mirror_joints": tree.mirror.astype(np.int32),
        "kid_template": rounded(closed(source, kid)[0, skin.kept]),
        "J_regressor_h36m": human.astype(np.float32),
        "J_regressor_extra": extra.astype(np.float32),
        "h36m_to_j14": np.array(H36M_TO_J14, np.int64),
        "h36m_to_j17": np.array(H36M_TO_J17, np.int64),
        "explained_variance_ratio": space.explained.astype(np.float32),
        "vertex_part": skin.weights.argmax(1).astype(np.int16),
        "bs_style": np.array("lbs"),
        "bs_type": np.array("lrotmin"),
        "licence": np.array(LICENCE),
    }
    figures = {
        "reconstruction": 1000 * space.mean_error,
        "joint regressor mean": 1000 * float(error.mean()),
        "joint regressor worst": 1000 * float(error.max()),
        "sample stature mean m": float(stature.mean()),
        "sample stature sd m": float(stature.std()),
    }
    return Built(arrays, figures), space.scores


def thinned_hand(
    faces: Array, samples: Array, weights: Array, bone_weights: Array, bones: Any
) -> tuple[Array, Array]:
    """samples (S,N,3), bones (names, mean heads, mean tails) -> kept vertices (778,), faces (1538,3)."""
    shapes = mean_and_extremes(principal_directions(samples, 2))
    rim = np.unique(border_edges(faces))
    line = np.isin(np.arange(len(weights)), rim).astype(int)
    thin = Decimator(shapes, faces, line, weights=weights)
    thin.run(len(rim) - HAND_RIM, only_line=1)
    thin.keep(rim)
    thin.run(len(line) - (len(rim) - HAND_RIM) - HAND_VERTICES)
    kept, left = thin.result()
    found = numbering.spots(shapes[0, kept], bone_weights[kept], *bones, mirror=None)
    order = numbering.renumbering(len(kept), numbering.MANO_NUMBERS, found)
    return kept[order], numbering.renumber_faces(np.searchsorted(kept, left), order)


def build_mano(source: Source, adults: People) -> Built:
    """-> free_mano.npz: the right hand, with its own proportions."""
    used, faces = compact(source.faces[source.face_labels == "hand.R"])
    number = {name: i for i, name in enumerate(source.bones)}
    bone_weights = sp.csr_matrix(source.weights[used])
    offset = (hands.WRIST - adults.heads[:, number["wrist.R"]])[:, None]
    scale = hands.draw_scales(len(adults.vertices))
    samples, heads = hands.scaled_hands(
        adults.vertices[:, used] + offset, adults.heads + offset, bone_weights, source.bones, scale
    )
    weights = joints.cleaned(hands.hand_weights(bone_weights, source.bones))
    rig = (source.bones, heads.mean(0), (adults.tails + offset).mean(0))
    dense = np.asarray(bone_weights.todense())
    kept, faces = thinned_hand(faces, samples, weights, dense, rig)
    samples, weights = samples[:, kept], weights[kept]
    space = principal_directions(samples)
    _, parents, bones = hands.hand_tree()
    targets = heads[:, [number[name] for name in bones]]
    regressor = joints.fit_regressor(samples, targets, weights)
    error = joints.regressor_error(regressor, samples, targets)
    arrays = {
        "explained_variance_ratio": space.explained.astype(np.float32),
        "v_template": rounded(space.mean),
        "shapedirs": rounded(space.directions),
        "posedirs": np.zeros((HAND_VERTICES, 3, 135), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": np.stack([parents, np.arange(16)]).astype(np.int64),
        "f": faces.astype(np.uint32),
        **hand_poses(adults),
        "licence": np.array(SHORT_LICENCE),
    }
    figures = {
        "hand reconstruction": 1000 * space.mean_error,
        "hand joint regressor mean": 1000 * float(error.mean()),
    }
    return Built(arrays, figures)


def hand_poses(adults: People) -> dict[str, Array]:
    """-> mean and components (45,45) of the right hand, and mirrored for the left."""
    mean = hands.mean_pose(adults.relaxed)
    components = hands.pose_components(hands.curl_poses())
    return {
        "hands_mean": rounded(mean),
        "hands_components": rounded(components),
        "hands_mean_left": rounded(hands.other_side(mean)),
        "hands_components_left": rounded(hands.other_side(components)),
    }


def build_smplx(source: Source, adults: People, scores: Array) -> Built:
    """-> free_smplx.npz: skin with open eyes and a mouth pocket, and two eyeballs."""
    tree = joints.skeleton("smplx", source.bones, source.bone_parents)
    weights = joints.merged_weights(tree, source.weights, source.mirror)
    weights[:, 15] += weights[:, 23:25].sum(1)  # eyes move the balls alone, not the lids
    weights[:, 23:25] = 0
    lidless = source.faces[~np.isin(source.face_labels, ("eye_cavity.L", "eye_cavity.R"))]
    wanted = (SKIN_VERTICES, EYE_RIM, numbering.SMPLX_NUMBERS)
    skin = thinned(source, adults, adults.vertices, lidless, weights, wanted)
    balls, ball_faces, ball_mirror = face.eyeballs(eye_centres(source, adults), adults.eye_radius)
    samples = np.concatenate([adults.vertices[:, skin.kept], balls], 1)
    count = len(ball_mirror)
    weights = np.concatenate([skin.weights, np.zeros((count, len(tree.names)))])
    weights[face.LEFT_EYE : face.RIGHT_EYE, 23] = 1
    weights[face.RIGHT_EYE :, 24] = 1
    mirror = np.concatenate([skin.mirror, ball_mirror])
    targets = joints.joint_positions(tree, source.bones, adults.heads)
    regressor = joints.fit_regressor(samples, targets, weights, mirror, tree.mirror)
    regressor[23:25] = weights.T[23:25] / weights[:, 23].sum()  # the middle of each ball
    mean, directions = regressed_directions(samples, scores)
    used, activations = face.expression_activations(source.action_names)
    moves, share = face.expression_directions(source.actions[used][:, skin.kept], activations)
    moves = np.concatenate([moves, np.zeros((count, 3, 10))])
    pose = hand_poses(adults)
    arrays = {
        "v_template": rounded(mean),
        "shapedirs": rounded(np.concatenate([directions, moves], 2), 5),
        "posedirs": np.zeros((len(mean), 3, 486), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": tree.table,
        "f": np.concatenate([skin.faces, ball_faces]).astype(np.uint32),
        "hands_meanl": pose["hands_mean_left"],
        "hands_meanr": pose["hands_mean"],
        "hands_componentsl": pose["hands_components_left"],
        "hands_componentsr": pose["hands_components"],
        **embedded_landmarks(source, adults, mean[:SKIN_VERTICES], skin.faces),
        "mirror_vertices": mirror.astype(np.int32),
        "licence": np.array(SHORT_LICENCE),
    }
    error = joints.regressor_error(regressor, samples, targets)
    figures = {
        "expression share": float(share.sum()),
        "whole body joint regressor mean": 1000 * float(error.mean()),
    }
    return Built(arrays, figures)


def embedded_landmarks(
    source: Source, adults: People, mean: Array, faces: Array
) -> dict[str, Array]:
    """-> the 51 and 17 landmarks as face numbers and weights on the neutral skin."""
    full = adults.vertices.mean(0)
    rims = [
        full[pocket_vertices(source.faces, source.face_labels == name)[1]]
        for name in ("eye_cavity.L", "mouth_cavity")
    ]
    eye = eye_centres(source, adults).mean(0)
    inner, jaw = face.landmark_points(mean, faces, eye, *rims)
    index, weight = closest_on_mesh(inner, mean, faces)
    jaw_index, jaw_weight = closest_on_mesh(jaw, mean, faces)
    bins = face.YAW_BINS
    return {
        "lmk_faces_idx": index.astype(np.int64),
        "lmk_bary_coords": weight.astype(np.float32),
        "dynamic_lmk_faces_idx": np.tile(jaw_index.astype(np.int64), (bins, 1)),
        "dynamic_lmk_bary_coords": np.tile(jaw_weight.astype(np.float32), (bins, 1, 1)),
    }
