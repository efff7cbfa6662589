"""How their authors weigh the losses of mesh networks: tables to copy into [loss] of a recipe."""

from collections.abc import Mapping

Weighting = Mapping[str, float]

# metro_graphormer SPEC 3.1: 1000 joints, 100 vertices (each level 0.33), 100 for 2D (its authors use
# the weight of vertices). 3.2: hands 1, 1 (each level 0.5), 1.
METRO: Mapping[str, Weighting] = {
    "body": {
        "token_joints3d": 1000.0,
        "mesh_joints3d": 1000.0,
        "vertices_coarse": 33.0,
        "vertices_middle": 33.0,
        "vertices_fine": 33.0,
        "token_joints2d": 100.0,
        "mesh_joints2d": 100.0,
    },
    "hand": {
        "token_joints3d": 1.0,
        "mesh_joints3d": 1.0,
        "vertices_coarse": 0.5,
        "vertices_fine": 0.5,
        "token_joints2d": 1.0,
        "mesh_joints2d": 1.0,
    },
}

_FASTMETRO_BODY = {
    # FastMETRO SPEC 4.2: 1000 joints; 100 vertices (0.25, 0.5, 0.25); 100 surface (5 edges,
    # 1e-4 edge lengths, 0.1 normals); 100 for 2D.
    "token_joints3d": 1000.0,
    "mesh_joints3d": 1000.0,
    "vertices_coarse": 25.0,
    "vertices_middle": 50.0,
    "vertices_fine": 25.0,
    "edges": 500.0,
    "edge_lengths": 0.01,
    "normals": 10.0,
    "token_joints2d": 100.0,
    "mesh_joints2d": 100.0,
}
_REGRESSOR = {
    # 4.4: 1000 times everything about the parametric body, 0.1 of that for betas.
    "smpl_pose": 1000.0,
    "smpl_betas": 100.0,
    "smpl_joints3d": 1000.0,
    "smpl_joints2d": 1000.0,
    "smpl_vertices": 1000.0,
}
FROZEN = 1e-8  # what the rest weighs while the parameter regressor learns on Human3.6M

FASTMETRO: Mapping[str, Weighting] = {
    "body": _FASTMETRO_BODY,
    "body-smpl-h36m": {
        **{name: weight * FROZEN for name, weight in _FASTMETRO_BODY.items()},
        **_REGRESSOR,
    },
    "body-smpl-3dpw": {**_FASTMETRO_BODY, **_REGRESSOR},
    "hand": {
        # 4.3: edges and normals of the fine mesh, no edge lengths.
        "token_joints3d": 1000.0,
        "mesh_joints3d": 1000.0,
        "vertices_coarse": 50.0,
        "vertices_fine": 50.0,
        "edges": 100.0,
        "normals": 10.0,
        "token_joints2d": 100.0,
        "mesh_joints2d": 100.0,
    },
}
