"""Masked vertex modelling."""

import torch

from hpscli.nn.mesh.transformer.masking import HIDDEN_VALUE, draw_mask, hide

CPU = torch.device("cpu")


def test_a_hidden_token_holds_one_value_and_the_others_stay() -> None:
    tokens = torch.randn(2, 3, 5)
    mask = torch.tensor([[1, 0, 1], [0, 1, 1]]).float()[..., None]
    hidden = hide(tokens, mask)
    assert (hidden[0, 1] == HIDDEN_VALUE).all()
    assert (hidden[1, 0] == HIDDEN_VALUE).all()
    assert torch.equal(hidden[0, ::2], tokens[0, ::2])


def test_every_person_has_an_own_share_of_hidden_tokens_below_the_most() -> None:
    torch.manual_seed(0)
    mask = draw_mask(2000, 100, 0.3, CPU)
    assert mask.shape == (2000, 100, 1)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    hidden = (1 - mask).sum(dim=(1, 2))
    assert hidden.max() == 29  # int(p * 0.3 * 100) with p below 1
    assert hidden.min() == 0
    assert abs(float(hidden.mean()) - 14.5) < 0.6
    per_token = (1 - mask).mean(dim=0)
    assert 0.1 < per_token.min() < per_token.max() < 0.2  # no token is special


def test_nothing_is_hidden_of_a_share_of_nothing() -> None:
    assert draw_mask(4, 50, 0.0, CPU).min() == 1
