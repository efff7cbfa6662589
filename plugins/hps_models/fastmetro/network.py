"""FastMETRO: image -> map of features -> two encoder-decoder transformers -> joints, mesh, camera.

Joint and vertex tokens are learned contents of the decoder; neighbouring vertices attend to each
other, and joints to everything. Sizes S, M, L are 1, 2, 3 layers in each of the two transformers.
"""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from hps_models.fastmetro.attention import sine_code
from hps_models.fastmetro.regressor import ParameterRegressor
from hps_models.fastmetro.transformer import Start, Transformer
from hpscli.body.cameras import project_weak
from hpscli.body.hierarchy import Hierarchy
from hpscli.body.kit import BodyKit, body_kit
from hpscli.body.layer import Body
from hpscli.errors import UsageError
from hpscli.nn.mesh.backbones import mesh_backbone, read
from hpscli.nn.mesh.precision import exactly
from hpscli.nn.mesh.target import (
    MeshTarget,
    joint_regressor,
    joints_from_mesh,
    mesh_target,
)
from hpscli.nn.remembered import Remembered
from hpscli.records import Prediction

CAMERA = 3  # scale, shift in x, shift in y


def attention_mask(target: MeshTarget, hierarchy: Hierarchy) -> Tensor:
    """-> (J+V,J+V) bool, True = may attend: joints and all, vertices and their neighbours."""
    joints, vertices = target.joints, hierarchy.sizes[-1]
    rows, columns = hierarchy.adjacency(hierarchy.levels - 1).indices()  # with self loops
    allowed = torch.ones(joints + vertices, joints + vertices, dtype=torch.bool, device=rows.device)
    allowed[joints:, joints:] = False
    allowed[joints + rows, joints + columns] = True
    return allowed


class FastMETRO(nn.Module):
    """image (B,3,H,W) -> Prediction; tensors are named as in its authors' files."""

    allowed: Tensor  # (J+V,J+V) bool: which tokens may attend to which
    joint_regressor: Tensor  # (J,V): joints out of the fine mesh
    token_rows: Tensor  # (J2,): which of these are the joint tokens
    position_1: Tensor  # (M,C): sine codes of the usual map, first and second transformer
    position_2: Tensor

    def __init__(
        self,
        *,
        target: MeshTarget,
        hierarchy: Hierarchy,
        regressor: Tensor,
        backbone: str,
        side: int,  # px of the usual image
        layers: int,
        widths: tuple[int, int],
        heads: int,
        dropout: float,
        regressor_hidden: int,  # 0: no SMPL parameters
        body: Body | None,  # whose mesh is the answer; None: the network's own is
    ) -> None:
        super().__init__()
        self.target, self.hierarchy, self.body = target, hierarchy, body
        self.joints, coarse = target.joints, hierarchy.sizes[-1]
        self.backbone, sizes = mesh_backbone(backbone)
        if backbone.startswith("hrnet"):
            # The goldens' weights make maps in the thousands, where another order of additions
            # shows by more than their 1e-4: this is the order of the official code.
            self.memory_format = torch.contiguous_format
        self.map_side = side // sizes.stride
        first, second = widths
        self.conv_1x1 = nn.Conv2d(sizes.map, first, 1)
        self.cam_token_embed = nn.Embedding(1, first)
        self.joint_token_embed = nn.Embedding(self.joints, first)
        self.vertex_token_embed = nn.Embedding(coarse, first)
        self.transformer_1 = Transformer(layers, first, heads, dropout)
        self.transformer_2 = Transformer(layers, second, heads, dropout)
        self.dim_reduce_enc_cam = nn.Linear(first, second)
        self.dim_reduce_enc_img = nn.Linear(first, second)
        self.dim_reduce_dec = nn.Linear(first, second)
        self.xyz_regressor = nn.Linear(second, 3)
        self.cam_predictor = nn.Linear(second, CAMERA)
        if hierarchy.levels > 2:  # the last step to the fine mesh is never learned
            self.coarse2intermediate_upsample = nn.Linear(coarse, hierarchy.sizes[-2])
        if regressor_hidden:
            middle = hierarchy.sizes[-2]
            self.smpl_parameter_regressor = ParameterRegressor(middle, regressor_hidden)
        self.has_parameters = bool(regressor_hidden)
        with torch.device("cpu"):  # constants, also where the rest gets no memory for its numbers
            self._keep(
                allowed=attention_mask(target, hierarchy),
                joint_regressor=regressor,
                token_rows=torch.tensor(target.token_rows),
                position_1=sine_code(first, self.map_side, self.map_side),
                position_2=sine_code(second, self.map_side, self.map_side),
            )
        self.remembered = Remembered()

    def _keep(self, **constants: Tensor) -> None:
        """Make buffers of them that no checkpoint holds."""
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def train(self, mode: bool = True) -> "FastMETRO":
        """As of every module; what was computed ahead is forgotten before weights change."""
        if mode:
            self.remembered.forget()
        return super().train(mode)

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,H,W) -> Prediction(camera, vertices, levels, and parameters if it has any)."""
        taps: dict[str, Tensor] = {}
        tokens, coarse, camera = self._tokens(image, taps)
        levels = self._meshes(coarse)
        joints, root = self._joints(levels[-1])
        prediction = Prediction(
            camera=camera,  # of points that are counted from the root
            vertices=levels[-1] - root,
            joints={self.target.mesh_set: joints},
            levels=levels,
            extras={"joint_tokens": tokens},
        )
        raw = {} if self.training else taps | self._raw(camera, tokens, levels, joints)
        if self.has_parameters:
            # What the parameters are made from learns nothing from their losses.
            numbers, rotations, betas = self.smpl_parameter_regressor(levels[1].detach())
            raw |= {"smpl_raw": numbers, "pred_rotmat": rotations, "pred_betas": betas}
            pose = {"global_orient": rotations[:, 0], "body_pose": rotations[:, 1:]}
            prediction = replace(prediction, parameters={**pose, "betas": betas})
        if self.body is not None and not self.training:
            posed = self.body(prediction.parameters).vertices
            joints, root = self._joints(posed)
            joint_sets = {self.target.mesh_set: joints}
            prediction = replace(prediction, vertices=posed - root, joints=joint_sets)
        return prediction if self.training else replace(prediction, raw=raw)

    def _joints(self, fine: Tensor) -> tuple[Tensor, Tensor]:
        """fine vertices (B,V,3) -> joints of mesh_set (B,J,3) from their root, the root (B,1,3)."""
        joints = joints_from_mesh(self.joint_regressor, fine)
        root = joints[:, self.target.root : self.target.root + 1]
        return joints - root, root

    def _raw(
        self, camera: Tensor, tokens: Tensor, levels: tuple[Tensor, ...], joints: Tensor
    ) -> dict[str, Tensor]:
        """-> what the authors' code calls it: camera, joint tokens, meshes, joints out of the mesh."""
        chosen, name = joints[:, self.token_rows], f"joints{self.joints}"
        raw = {"pred_cam": camera, "pred_3d_joints": tokens}
        raw |= {f"{name}_from_mesh": chosen, f"{name}_2d": project_weak(chosen, camera)}
        names = ("coarse", "intermediate", "fine") if len(levels) > 2 else ("coarse", "fine")
        for level, vertices in zip(names, levels, strict=True):
            raw[f"pred_3d_vertices_{level}"] = vertices
        return raw

    def _tokens(self, image: Tensor, taps: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """image (B,3,H,W) -> joints (B,J,3), coarse vertices (B,V,3), camera (B,3)."""
        features = read(self.backbone, image).map
        reduced = self.conv_1x1(features)
        camera = self.cam_token_embed.weight.expand(image.shape[0], -1, -1)
        places = torch.cat([camera, reduced.flatten(2).transpose(1, 2)], dim=1)
        position_1, position_2 = self._positions(*reduced.shape[2:])
        encoded_1, decoded_1 = self.transformer_1(
            places, self._start(image.shape[0]), position_1, self.allowed
        )
        camera_2 = self.dim_reduce_enc_cam(encoded_1[:, :1])
        places_2 = self.dim_reduce_enc_img(encoded_1[:, 1:])
        tokens_2 = self.dim_reduce_dec(decoded_1)
        encoded_2, decoded_2 = self.transformer_2(
            torch.cat([camera_2, places_2], dim=1), tokens_2, position_2, self.allowed
        )
        taps |= {"tap_backbone": features, "tap_conv_1x1": reduced}
        sequences = {"enc1": encoded_1, "dec1": decoded_1, "enc2": encoded_2, "dec2": decoded_2}
        sequences |= {"red_cam": camera_2, "red_img": places_2, "red_jv": tokens_2}
        # Tokens come first there, the batch here.
        taps |= {f"tap_{name}": value.transpose(0, 1) for name, value in sequences.items()}
        points = exactly(self.xyz_regressor, decoded_2)
        return (
            points[:, : self.joints],
            points[:, self.joints :],
            exactly(self.cam_predictor, encoded_2[:, 0]),
        )

    def _start(self, batch: int) -> Start:
        """-> what the first decoder layer does before it sees an image: the same for all of them."""

        def compute(images: int) -> Start:
            tokens = torch.cat([self.joint_token_embed.weight, self.vertex_token_embed.weight])
            return self.transformer_1.decoder.start(tokens.expand(images, -1, -1), self.allowed)

        if self.training:  # every image draws its own dropout
            return compute(batch)
        layer = self.transformer_1.decoder.layers[0]
        parameters = [self.joint_token_embed.weight, self.vertex_token_embed.weight]
        hidden, query = self.remembered(compute, [*parameters, *layer.parameters()], batch)
        return hidden, query

    def _positions(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """-> the sine codes of a map (rows * columns,C) for both transformers."""
        if (rows, columns) == (self.map_side, self.map_side):
            return self.position_1, self.position_2
        first, second = (
            sine_code(position.shape[1], rows, columns).to(position)
            for position in (self.position_1, self.position_2)
        )
        return first, second

    def _meshes(self, coarse: Tensor) -> tuple[Tensor, ...]:
        """coarse vertices (B,V,3) -> all levels, coarse to fine."""
        if self.hierarchy.levels <= 2:
            return coarse, self.hierarchy.up(coarse)
        learned = exactly(self.coarse2intermediate_upsample, coarse.transpose(1, 2))
        middle = learned.transpose(1, 2)
        return coarse, middle, self.hierarchy.up(middle, 1)


def build(
    target: str,
    backbone: str,
    layers: int,
    width: int,
    second_width: int,
    heads: int,
    dropout: float,
    input_px: int,
    smpl_parameters: bool,
    regressor_hidden: int,
    parametric: bool,
    kit: BodyKit | None = None,
) -> FastMETRO:
    """Options of the model -> the network with random weights, around the mesh of `kit`."""
    described = mesh_target(target)
    _check_sizes(layers, (width, second_width), heads, dropout, input_px)
    _check_parameters(described, smpl_parameters, parametric)
    kit = body_kit(described.kind) if kit is None else kit
    with torch.device("cpu"):
        regressor = joint_regressor(described, kit)
        hierarchy = deepcopy(kit.hierarchy())  # it moves with the network
    network = FastMETRO(
        target=described,
        hierarchy=hierarchy,
        regressor=regressor,
        backbone=backbone,
        side=input_px,
        layers=layers,
        widths=(width, second_width),
        heads=heads,
        dropout=dropout,
        regressor_hidden=regressor_hidden if smpl_parameters else 0,
        body=kit.body().twin() if parametric else None,
    )
    return network.to("meta") if network.conv_1x1.weight.is_meta else network


def _check_sizes(
    layers: int, widths: tuple[int, int], heads: int, dropout: float, input_px: int
) -> None:
    """Raise for sizes that make no network."""
    for width in widths:
        if heads < 1 or width < 4 or width % heads or width % 4:
            raise UsageError(
                f"fastmetro: a width of {width} does not go with {heads} heads.",
                "Widths are multiples of 4 and of the number of heads.",
            )
    if layers < 1 or not 0 <= dropout < 1 or input_px < 32:
        raise UsageError(
            f"fastmetro: layers={layers}, dropout={dropout}, input_px={input_px} make no network.",
            "layers is at least 1, dropout in [0, 1), input_px at least 32.",
        )


def _check_parameters(target: MeshTarget, smpl_parameters: bool, parametric: bool) -> None:
    """Raise when parameters are wanted where there are none."""
    if smpl_parameters and target.kind != "smpl":
        raise UsageError(
            "fastmetro: SMPL parameters are regressed from a body's mesh, not from a hand's.",
            "Leave smpl_parameters out.",
        )
    if parametric and not smpl_parameters:
        raise UsageError(
            "fastmetro: without smpl_parameters there is no parametric mesh.",
            "Set smpl_parameters too, or leave parametric out.",
        )
