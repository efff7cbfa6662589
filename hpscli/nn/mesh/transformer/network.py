"""METRO and Mesh Graphormer as one network: query tokens of joints and coarse vertices become points.

A query is its place in the template (x, y, z) and what the picture says. How the picture is said,
whether cells of it are tokens too, and whether the last encoder knows the mesh, are the methods.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpscli.body.kit import BodyKit
from hpscli.errors import UsageError
from hpscli.nn.mesh.backbones import mesh_backbone, read
from hpscli.nn.mesh.projection import project_all
from hpscli.nn.mesh.target import (
    MeshTarget,
    joint_regressor,
    joints_from_mesh,
    mesh_target,
    template,
    tokens_of,
)
from hpscli.nn.mesh.transformer.encoder import INITIAL_DEVIATION, MeshEncoder
from hpscli.nn.mesh.transformer.heads import CameraHead, FixedUpsampling, LearnedUpsampling
from hpscli.nn.mesh.transformer.masking import draw_mask, hide
from hpscli.records import Prediction

UPSAMPLINGS = ("learned", "matrices")


@dataclass(frozen=True, kw_only=True)
class Method:
    """What makes a network METRO or Mesh Graphormer."""

    target: str  # body | hand
    backbone: str
    input_px: int  # side of the picture
    values: str  # what every query gets: "pooled", or "mixed": an own mixture of the cells
    grid_tokens: bool  # cells of the grid are tokens behind the queries
    graph: tuple[bool, ...]  # which encoders know the mesh
    widths: tuple[int, ...]  # of the encoders, inside
    outputs: tuple[int, ...]  # what each encoder gives, the last one 3
    feed_forward: tuple[int, ...]
    layers: int
    heads: int
    dropout: float
    upsampling: str  # learned | matrices
    deviation: float = INITIAL_DEVIATION  # of random weights of the encoders


class MeshTransformer(nn.Module):
    """image (B,3,H,W) -> Prediction with camera, mesh levels, and joints out of the fine mesh."""

    template_joints: Tensor
    template_vertices: Tensor
    joint_regressor: Tensor
    adjacency: Tensor | None

    def __init__(self, method: Method, kit: BodyKit) -> None:
        super().__init__()
        _check(method)
        self.method, self.target = method, mesh_target(method.target)
        self.backbone, sizes = mesh_backbone(method.backbone)
        # Every halving rounds up, so a cell more at the border.
        self.cells = math.ceil(method.input_px / sizes.stride) ** 2
        self._keep(self.target, kit, any(method.graph))
        joints, vertices = len(self.template_joints), len(self.template_vertices)
        queries = joints + vertices
        width = 3 + sizes.map
        befores = (width, *method.outputs[:-1])
        self.encoders = nn.ModuleList(
            MeshEncoder(
                before,
                inside,
                after,
                feed_forward=feed_forward,
                layers=method.layers,
                heads=method.heads,
                dropout=method.dropout,
                tokens=queries + (self.cells if method.grid_tokens else 0),
                graph=graph,
                points=number == len(method.outputs),
                deviation=method.deviation,
            )
            for number, before, inside, after, feed_forward, graph in zip(
                range(1, len(befores) + 1),
                befores,
                method.widths,
                method.outputs,
                method.feed_forward,
                method.graph,
                strict=True,
            )
        )
        hierarchy = kit.hierarchy()
        self.upsampling: nn.Module = (
            LearnedUpsampling(tuple(reversed(hierarchy.sizes)))
            if method.upsampling == "learned"
            else FixedUpsampling(hierarchy)
        )
        # The cells are mixed with numbers of each query's own, the same for all channels.
        self.mixing = nn.Linear(self.cells, queries) if method.values == "mixed" else None
        rows = queries if self.target.camera_reads_joints else vertices
        self.camera = CameraHead(rows, self.target.camera_width)
        self.grid_embedding = nn.Linear(sizes.grid, width) if method.grid_tokens else None

    def _keep(self, target: MeshTarget, kit: BodyKit, graph: bool) -> None:
        """What follows from the body; never saved."""
        joints, vertices = template(target, kit)
        hierarchy = kit.hierarchy()
        adjacency = None
        if graph:
            # Dense: a few hundred vertices, and programs that are exported know no sparse product.
            with torch.device("cpu"):
                adjacency = hierarchy.adjacency(hierarchy.levels - 1).cpu().to_dense()
        for name, tensor in (
            ("template_joints", joints),
            ("template_vertices", vertices),
            ("joint_regressor", joint_regressor(target, kit)),
            ("adjacency", adjacency),
        ):
            here = None if tensor is None else tensor.to(torch.empty(0).device)  # may be meta
            self.register_buffer(name, here, persistent=False)

    def forward(
        self, image: Tensor, joint_mask: Tensor | None = None, vertex_mask: Tensor | None = None
    ) -> Prediction:
        """image (B,3,H,W), masks (B,J,1) and (B,V,1) or drawn in training -> Prediction."""
        features = read(self.backbone, image)
        cells = features.map.flatten(2)
        self._check_cells(cells, image)
        pooled = cells.mean(dim=2)
        values = self.mixing(cells).transpose(1, 2) if self.mixing is not None else pooled[:, None]
        tokens = self._queries(values, joint_mask, vertex_mask)
        if self.grid_embedding is not None:
            grid = self.grid_embedding(features.grid.flatten(2).transpose(1, 2))
            tokens = torch.cat([tokens, grid], dim=1)
        raw = {"tokens_in": tokens}
        joints = len(self.template_joints)
        for number, encoder in enumerate(self.encoders):
            tokens = encoder(tokens, self.adjacency if self.method.graph[number] else None, joints)
            raw[f"encoder{number}_out"] = tokens
        points = tokens[:, : joints + len(self.template_vertices)]
        camera = self.camera(points if self.target.camera_reads_joints else points[:, joints:])
        levels = self.upsampling(points[:, joints:])
        raw |= {"pooled_feature": pooled, "grid_feature": features.grid, "featmap": features.map}
        return self._prediction(camera, points[:, :joints], levels, raw)

    def _queries(
        self, values: Tensor, joint_mask: Tensor | None, vertex_mask: Tensor | None
    ) -> Tensor:
        """values (B,1 or N,C) -> query tokens (B,N,3+C), some of them hidden in training."""
        batch, joints = len(values), len(self.template_joints)
        places = torch.cat([self.template_joints, self.template_vertices]).to(values.dtype)
        count = len(places)
        tokens = torch.cat([places.expand(batch, -1, -1), values.expand(-1, count, -1)], dim=2)
        most = self.target.masked_fraction
        if self.training and most and joint_mask is None and vertex_mask is None:
            joint_mask = draw_mask(batch, joints, most, values.device)
            vertex_mask = draw_mask(batch, count - joints, most, values.device)
        if joint_mask is None and vertex_mask is None:
            return tokens
        seen = values.new_ones(batch, count, 1)
        parts = (
            seen[:, :joints] if joint_mask is None else joint_mask,
            seen[:, joints:] if vertex_mask is None else vertex_mask,
        )
        return hide(tokens, torch.cat(parts, dim=1))

    def _prediction(
        self, camera: Tensor, tokens: Tensor, levels: Sequence[Tensor], raw: dict[str, Tensor]
    ) -> Prediction:
        """Camera (B,3), joint tokens (B,J,3), levels coarse to fine -> Prediction."""
        joints = joints_from_mesh(self.joint_regressor, levels[-1])
        named = {} if self.training else self._raw(camera, tokens, joints, levels, raw)
        return Prediction(
            camera=camera,
            vertices=levels[-1],
            joints={self.target.mesh_set: joints},
            levels=tuple(levels),
            extras={"joint_tokens": tokens},
            raw=named,
        )

    def _raw(
        self,
        camera: Tensor,
        tokens: Tensor,
        joints: Tensor,
        levels: Sequence[Tensor],
        inner: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """-> everything under the names of the goldens."""
        regressed = "h36m_joints17" if self.target.name == "body" else "joints21"
        return {
            "camera": camera,
            "joints3d": tokens,
            **{f"vertices_{level.shape[1]}": level for level in levels},
            "full_mesh": levels[-1],
            f"{regressed}_from_mesh": joints,
            "template_joints": self.template_joints,
            "template_vertices": self.template_vertices,
            **inner,
        }

    def _check_cells(self, cells: Tensor, image: Tensor) -> None:
        wanted = self.cells
        if cells.shape[2] != wanted and (
            self.mixing is not None or self.grid_embedding is not None
        ):
            size = "x".join(map(str, image.shape[-2:]))
            raise UsageError(
                f"a picture of {size} px has {cells.shape[2]} cells, the network knows {wanted}.",
                "Give pictures of the model's own input size.",
            )


def project_raw(prediction: Prediction, kit: BodyKit) -> dict[str, Tensor]:
    """Prediction -> its joints in crop units: of the tokens, and of the fine mesh."""
    target = mesh_target("body" if kit.kind == "smpl" else "hand")
    joints = {
        "joints2d": prediction.extras["joint_tokens"],
        "joints2d_from_mesh": tokens_of(target, prediction.joints[target.mesh_set]),
    }
    return project_all(joints, prediction.camera)


def _check(method: Method) -> None:
    """Raise for sizes that make no network."""
    encoders = {len(method.widths), len(method.outputs), len(method.feed_forward)}
    if len(encoders) != 1 or encoders != {len(method.graph)} or method.outputs[-1] != 3:
        raise UsageError(
            f"widths {list(method.widths)}, outputs {list(method.outputs)} and feed_forward "
            f"{list(method.feed_forward)} make no network.",
            f"Each has one number per encoder ({len(method.graph)}); the last output is 3.",
        )
    uneven = [width for width in method.widths if width < 1 or width % method.heads]
    if method.layers < 1 or method.heads < 1 or uneven or not 0 <= method.dropout < 1:
        raise UsageError(
            f"widths {list(method.widths)}, layers {method.layers}, heads {method.heads}, dropout "
            f"{method.dropout} make no network.",
            "Widths are multiples of heads, layers at least 1, dropout in [0, 1).",
        )
    if method.deviation <= 0:
        raise UsageError(
            f"deviation {method.deviation} makes no random weights.",
            f"A number above 0; the authors' is {INITIAL_DEVIATION}.",
        )
    if method.upsampling not in UPSAMPLINGS:
        raise UsageError(
            f"no upsampling '{method.upsampling}'.", f"One of: {', '.join(UPSAMPLINGS)}."
        )
