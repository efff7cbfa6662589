"""Puts the free bodies together: samples in, the arrays of the files out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tools.free_body import face, hands, joints, numbering, shape_space, tpose
from tools.free_body.decimate import Decimator, quadrics
from tools.free_body.hierarchy import closest_on_mesh
from tools.free_body.read import Source
from tools.free_body.surfaces import (
    border_edges,
    close_pockets,
    compact,
    pocket_vertices,
    take_half,
    whole_again,
)

Array = NDArray[Any]

PELVIS = np.array([0.0, -0.23, 0.028])  # of every sample
SMPL_VERTICES, SKIN_VERTICES, EYE_RIM = 6890, 9383, 17
HAND_VERTICES, HAND_RIM = 778, 16
H36M_TO_J14 = (3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10)
H36M_TO_J17 = (*H36M_TO_J14, 0, 7, 9)
LICENCE = "CC0-1.0; derived from MakeHuman/MPFB2 assets (CC0), see NOTICE.md"
SHORT_LICENCE = "CC0-1.0; see NOTICE.md"


@dataclass(frozen=True)
class People:
    """S bodies in the T-pose with the pelvis in one place."""

    vertices: Array  # (S,N,3)
    heads: Array  # (S,163,3)
    tails: Array  # (S,163,3)
    eye_radius: Array  # (S,)
    relaxed: dict[str, Array]  # rotations back to the drawn hand, of the mean body


@dataclass(frozen=True)
class Built:
    """The arrays of one file, and the figures that only the build knows."""

    arrays: dict[str, Array]
    figures: dict[str, float]


def people(source: Source, sliders: dict[str, Array]) -> People:
    """-> the bodies that the sliders describe, posed and aligned."""
    rest, heads, tails, eye = shape_space.rest_samples(source, sliders)
    number = {name: i for i, name in enumerate(source.bones)}
    radius = np.linalg.norm(eye - eye.mean(1, keepdims=True), axis=2).mean(1)
    relaxed = tpose.relaxed_hand(source.bones, heads.mean(0), tails.mean(0))
    for index in range(len(rest)):
        turn, moved = tpose.bone_motions(
            source.bones, source.bone_parents, heads[index], tails[index]
        )
        rest[index] = tpose.skin(rest[index], source.weights, turn, heads[index], moved)
        tails[index] = moved + np.einsum("bij,bj->bi", turn, tails[index] - heads[index])
        heads[index] = moved
    root = (heads[:, number["spine05"]] + heads[:, number["spine04"]]) / 2
    offset = (PELVIS - root)[:, None]
    return People(rest + offset, heads + offset, tails + offset, radius, relaxed)


def mean_and_extremes(space: shape_space.ShapeSpace) -> Array:
    """-> the five shapes (5,V,3) that a decimation must keep: mean, +-2 sd of two directions."""
    shapes = [space.mean]
    for column in (0, 1):
        shapes += [space.mean + sign * 2 * space.directions[:, :, column] for sign in (-1, 1)]
    return np.stack(shapes)


def thin_skin(
    shapes: Array, faces: Array, weights: Array, mirror: Array, count: int, rim: int = 0
) -> tuple[Array, Array, Array]:
    """shapes (5,N,3) -> kept vertices (count,), faces, mirror; side rims shrink to `rim` each."""
    half = take_half(faces, mirror, shapes[0, :, 0])
    quadric, area = quadrics(shapes, faces)
    line = half.on_line.astype(int)
    hole = np.unique(border_edges(half.faces))
    hole = hole[~half.on_line[hole]]
    line[hole] = 2
    thin = Decimator(
        shapes[:, half.kept],
        half.faces,
        line,
        weights=weights[half.kept],
        extra=(quadric[half.kept], area[half.kept]),
    )
    total = len(np.unique(faces))
    if len(hole):
        thin.run(len(hole) - rim, only_line=2)
        thin.lock(2)
        total -= 2 * (len(hole) - rim)
    thin.run(total - count, side_worth=2)
    return whole_again(half, *thin.result(), mirror)


def rounded(values: Array, digits: int = 6) -> Array:
    """-> float32, to a micrometre if not said otherwise: smaller files, and no last-bit noise."""
    return (np.round(values, digits) + 0.0).astype(np.float32)


def eye_centres(source: Source, who: People) -> Array:
    """-> (S,3) of the left eyeball."""
    return np.asarray(who.heads[:, source.bones.index("eye.L")])


def build_smpl(source: Source, adults: People, kid: People) -> tuple[Built, Array]:
    """-> free_smpl.npz and the shape scores (S,10), which all bodies share."""
    closed = [
        close_pockets(
            who.vertices,
            source.faces,
            source.face_labels,
            eye_centres(source, who),
            who.eye_radius,
            source.mirror,
        )
        for who in (adults, kid)
    ]
    tree = joints.skeleton("smpl", source.bones, source.bone_parents)
    weights = joints.merged_weights(tree, source.weights, source.mirror)
    shapes = mean_and_extremes(shape_space.principal_directions(closed[0], 2))
    kept, faces, mirror = thin_skin(shapes, source.faces, weights, source.mirror, SMPL_VERTICES)
    found = numbering.spots(
        shapes[0, kept], np.asarray(source.weights[kept].todense()), source.bones,
        adults.heads.mean(0), adults.tails.mean(0), mirror=mirror,
    )  # fmt: skip
    order = numbering.renumbering(len(kept), numbering.SMPL_NUMBERS, found)
    kept, faces = kept[order], numbering.renumber_faces(faces, order)
    mirror, weights = numbering.renumber_mirror(mirror, order), weights[kept]
    samples = closed[0][:, kept]
    space = shape_space.principal_directions(samples)
    targets = joints.joint_positions(tree, source.bones, adults.heads)
    regressor = joints.fit_regressor(samples, targets, weights, mirror, tree.mirror)
    human, extra = joints.extra_regressors(regressor, space.mean, mirror, weights)
    error = joints.regressor_error(regressor, samples, targets)
    stature = np.ptp(samples[:, :, 1], axis=1)
    arrays = {
        "v_template": rounded(space.mean),
        "shapedirs": rounded(space.directions),
        "posedirs": np.zeros((SMPL_VERTICES, 3, 207), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": tree.table,
        "f": faces.astype(np.uint32),
        "mirror_vertices": mirror.astype(np.int32),
        "mirror_joints": tree.mirror.astype(np.int32),
        "kid_template": rounded(closed[1][0, kept]),
        "J_regressor_h36m": human.astype(np.float32),
        "J_regressor_extra": extra.astype(np.float32),
        "h36m_to_j14": np.array(H36M_TO_J14, np.int64),
        "h36m_to_j17": np.array(H36M_TO_J17, np.int64),
        "explained_variance_ratio": space.explained.astype(np.float32),
        "vertex_part": weights.argmax(1).astype(np.int16),
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


def build_mano(source: Source, adults: People) -> Built:
    """-> free_mano.npz: the right hand, with its own proportions."""
    member = source.face_labels == "hand.R"
    used, faces = compact(source.faces[member])
    number = {name: i for i, name in enumerate(source.bones)}
    skin_weights = sp.csr_matrix(source.weights[used])
    offset = (hands.WRIST - adults.heads[:, number["wrist.R"]])[:, None]
    scale = hands.draw_scales(len(adults.vertices))
    samples, heads = hands.scaled_hands(
        adults.vertices[:, used] + offset, adults.heads + offset, skin_weights, source.bones, scale
    )
    shapes = mean_and_extremes(shape_space.principal_directions(samples, 2))
    weights = joints.cleaned(hands.hand_weights(skin_weights, source.bones))
    line = np.zeros(len(used), int)
    rim = np.unique(border_edges(faces))
    line[rim] = 1
    thin = Decimator(shapes, faces, line, weights=weights)
    thin.run(len(rim) - HAND_RIM, only_line=1)
    thin.lock(1)
    thin.run(len(used) - (len(rim) - HAND_RIM) - HAND_VERTICES)
    kept, left = thin.result()
    faces = np.searchsorted(kept, left)
    found = numbering.spots(
        shapes[0, kept], np.asarray(skin_weights[kept].todense()), source.bones,
        heads.mean(0), (adults.tails + offset).mean(0), mirror=None,
    )  # fmt: skip
    order = numbering.renumbering(len(kept), numbering.MANO_NUMBERS, found)
    kept, faces = kept[order], numbering.renumber_faces(faces, order)
    samples, weights = samples[:, kept], weights[kept]
    space = shape_space.principal_directions(samples)
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
    }
    for name, value in hand_poses(adults).items():
        arrays[name] = value
    arrays["licence"] = np.array(SHORT_LICENCE)
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
    eyes_open = ~np.isin(source.face_labels, ("eye_cavity.L", "eye_cavity.R"))
    whole = source.faces[eyes_open]
    tree = joints.skeleton("smplx", source.bones, source.bone_parents)
    weights = joints.merged_weights(tree, source.weights, source.mirror)
    weights[:, 15] += weights[:, 23:25].sum(1)  # eyes move the balls alone, not the lids
    weights[:, 23:25] = 0
    shapes = mean_and_extremes(shape_space.principal_directions(adults.vertices, 2))
    kept, faces, mirror = thin_skin(shapes, whole, weights, source.mirror, SKIN_VERTICES, EYE_RIM)
    found = numbering.spots(
        shapes[0, kept], np.asarray(source.weights[kept].todense()), source.bones,
        adults.heads.mean(0), adults.tails.mean(0), mirror=mirror,
    )  # fmt: skip
    order = numbering.renumbering(len(kept), numbering.SMPLX_NUMBERS, found)
    kept, faces = kept[order], numbering.renumber_faces(faces, order)
    skin_mirror, weights = numbering.renumber_mirror(mirror, order), weights[kept]
    balls, ball_faces, ball_mirror = face.eyeballs(eye_centres(source, adults), adults.eye_radius)
    samples = np.concatenate([adults.vertices[:, kept], balls], 1)
    all_weights = np.zeros((samples.shape[1], len(tree.names)))
    all_weights[:SKIN_VERTICES] = weights
    all_weights[face.LEFT_EYE : face.RIGHT_EYE, 23] = 1
    all_weights[face.RIGHT_EYE :, 24] = 1
    mirror = np.concatenate([skin_mirror, ball_mirror])
    targets = joints.joint_positions(tree, source.bones, adults.heads)
    regressor = joints.fit_regressor(samples, targets, all_weights, mirror, tree.mirror)
    regressor[23:25] = all_weights.T[23:25] / all_weights[:, 23].sum()  # the middle of each ball
    mean, directions = shape_space.regressed_directions(samples, scores)
    used, activations = face.expression_activations(source.action_names)
    expressions, share = face.expression_directions(source.actions[used][:, kept], activations)
    expressions = np.concatenate([expressions, np.zeros((len(ball_mirror), 3, 10))])
    landmarks = embedded_landmarks(source, adults, mean[:SKIN_VERTICES], faces)
    pose = hand_poses(adults)
    arrays = {
        "v_template": rounded(mean),
        "shapedirs": rounded(np.concatenate([directions, expressions], 2), 5),
        "posedirs": np.zeros((len(mean), 3, 486), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "weights": all_weights.astype(np.float32),
        "kintree_table": tree.table,
        "f": np.concatenate([faces, ball_faces]).astype(np.uint32),
        "hands_meanl": pose["hands_mean_left"],
        "hands_meanr": pose["hands_mean"],
        "hands_componentsl": pose["hands_components_left"],
        "hands_componentsr": pose["hands_components"],
        **landmarks,
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
