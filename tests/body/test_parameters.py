"""Parameters into matrices, and predictions completed from what a model gave."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hpscli.body.assets.files import write_asset
from hpscli.body.layer import (
    COEFFICIENTS,
    PARAMETERS,
    complete,
    load_body,
    matrices,
    mean_parameters,
)
from hpscli.errors import InvalidData, UsageError
from hpscli.records import Prediction


def draw(kind: str, batch: int = 3) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    sizes = {name: 3 * count for name, count in PARAMETERS[kind].items()} | COEFFICIENTS[kind]
    flat = {name: 0.4 * torch.randn(batch, n, generator=random) for name, n in sizes.items()}
    return flat | {"transl": torch.randn(batch, 3, generator=random)}


def says(**fields: object) -> Prediction:
    return Prediction(camera=torch.ones(3, 3), **fields)  # type: ignore[arg-type]


def test_axis_angle_becomes_matrices_by_name_and_the_rest_passes() -> None:
    result = matrices(draw("smplx"))
    assert result["global_orient"].shape == (3, 3, 3) and result["jaw_pose"].shape == (3, 3, 3)
    assert result["body_pose"].shape == (3, 21, 3, 3)
    assert result["betas"].shape == (3, 10) and result["transl"].shape == (3, 3)


def test_mean_parameters_start_upright_from_the_free_or_the_imported_mean() -> None:
    free = mean_parameters("smpl")
    assert free["pose6d"].shape == (144,) and free["camera"][0] == pytest.approx(0.9)
    assert mean_parameters("smplx")["pose6d"].shape == (330,)
    np.testing.assert_array_equal(
        mean_parameters("mano")["pose6d"], np.tile([1, 0, 0, 1, 0, 0], 16)
    )
    own = {"pose6d": np.arange(144.0), "betas": np.ones(10), "camera": np.ones(3)}
    write_asset("mean-params", own, {"sha256": "00", "source": "X", "licence": "test"})
    assert mean_parameters("smpl")["pose6d"][5] == 5 and mean_parameters("smpl", source="free")[
        "pose6d"
    ][0] == pytest.approx(free["pose6d"][0])


def test_parameters_alone_give_the_joints_without_a_mesh() -> None:
    body = load_body("smpl", source="free")
    whole = complete(says(parameters=matrices(draw("smpl"))), body, vertices=False)
    assert whole.vertices is None and list(whole.joints) == ["smpl24"]
    torch.testing.assert_close(whole.joints["smpl24"], body.kinematics(whole.parameters))


def test_parameters_give_vertices_and_regressed_joints_when_asked() -> None:
    body = load_body("smpl", source="free")
    parameters = matrices(draw("smpl"))
    whole = complete(
        says(parameters=parameters), body, vertices=True, joint_sets=("smpl_49", "lsp14")
    )
    assert whole.vertices is not None and set(whole.joints) == {"smpl24", "smpl49", "lsp14"}
    out = body(parameters)
    torch.testing.assert_close(
        whole.joints["smpl49"], body.regress(out.vertices, "smpl49", joints=out.joints)
    )


def test_vertices_alone_give_the_joints_by_regression() -> None:
    body = load_body("smpl", source="free")
    out = body(matrices(draw("smpl")))
    whole = complete(says(vertices=out.vertices), body, vertices=True, joint_sets=("h36m17",))
    assert set(whole.joints) == {"smpl24", "h36m17"}
    # regressed from the posed mesh: near the skeleton, a few centimetres off
    distance = (whole.joints["smpl24"] - out.joints).norm(dim=-1)
    assert 0 < distance.max() < 0.1


def test_what_the_model_gave_stays() -> None:
    body = load_body("smpl", source="free")
    own = torch.ones(3, 24, 3)
    whole = complete(
        says(parameters=matrices(draw("smpl")), joints={"smpl24": own}), body, vertices=True
    )
    assert whole.joints["smpl24"] is own and whole.vertices is not None


def test_a_complete_prediction_is_returned_as_it_is() -> None:
    body = load_body("smpl", source="free")
    given = says(vertices=torch.zeros(3, 6890, 3), joints={"smpl24": torch.zeros(3, 24, 3)})
    assert complete(given, body, vertices=True) is given


def test_joints_under_another_name_are_renamed() -> None:
    body = load_body("smpl", source="free")
    points = torch.randn(3, 24, 3)
    whole = complete(says(joints={"star24": points}), body, vertices=False)
    assert torch.equal(whole.joints["smpl24"], points)


def test_a_model_that_gives_too_little_is_told_what_is_lacking() -> None:
    body = load_body("smpl", source="free")
    with pytest.raises(UsageError, match="no joints that convert to 'smpl24'"):
        complete(says(), body, vertices=False)
    with pytest.raises(InvalidData, match="neither vertices nor parameters"):
        complete(says(joints={"smpl24": torch.zeros(3, 24, 3)}), body, vertices=True)


def test_gradients_reach_the_parameters() -> None:
    body = load_body("smpl", source="free")
    parameters = {k: v.requires_grad_() for k, v in matrices(draw("smpl")).items()}
    complete(says(parameters=parameters), body, vertices=False).joints["smpl24"].sum().backward()
    assert all(value.grad is not None for value in parameters.values())
