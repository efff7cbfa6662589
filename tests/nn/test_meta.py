"""Networks whose numbers come from elsewhere: nothing is drawn, and nothing stays unset."""

import pytest
import torch
from torch import Tensor, nn

from hpscli.body.layer import load_body
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.nn.meta import free_kit, meta_network, real_network, without_random_numbers
from hpscli.nn.options import complete_options
from hpscli.registry import get_registry

SMALL = [
    (spec.name, preset)
    for spec in get_registry().all("model")
    for preset in spec.presets
    if preset.endswith("tiny")
]


def outside_checkpoints(module: nn.Module) -> dict[str, Tensor]:
    """-> what no checkpoint overwrites: buffers that are not saved, tensors that are attributes."""
    saved = set(module.state_dict())
    found = {k: b for k, b in module.named_buffers() if k not in saved}
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                found[f"{path}.{name}"] = value
    return found


@pytest.mark.parametrize(("model", "preset"), SMALL)
def test_building_for_a_checkpoint_initialises_nothing_and_leaves_nothing_unset(
    model: str, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # New tensors that a constructor draws are its own affair; initialisations are skipped.
    monkeypatch.setattr(torch, "randn", lambda *shape, **how: torch.zeros(*shape))
    spec = get_registry().model(model)
    options = complete_options(spec, preset, {})
    wanted = outside_checkpoints(real_network(spec, options))
    before = torch.get_rng_state()
    with without_random_numbers():
        module = real_network(spec, options)
    assert torch.equal(torch.get_rng_state(), before)
    found = outside_checkpoints(module)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize(("model", "preset"), SMALL)
def test_a_network_without_numbers_has_the_keys_and_shapes_of_a_real_one(
    model: str, preset: str
) -> None:
    spec = get_registry().model(model)
    options = complete_options(spec, preset, {})
    empty, real = meta_network(spec, options), real_network(spec, options)
    assert {t.device.type for t in empty.state_dict().values()} == {"meta"}
    assert {k: t.shape for k, t in empty.state_dict().items()} == {
        k: t.shape for k, t in real.state_dict().items()
    }


@pytest.mark.parametrize("kind", ["smpl", "mano", "smplx"])
def test_bodies_that_all_share_are_never_left_without_numbers(kind: str) -> None:
    with torch.device("meta"):
        load_body(kind, source="free")
    body = load_body(kind, source="free")
    assert {buffer.device.type for buffer in body.buffers()} == {"cpu"}
    assert free_kit(kind).source == "free"


def test_draws_that_torch_repeats_until_they_fit_come_to_an_end() -> None:
    tensor = torch.full((4,), 100.0)  # as memory that nobody has set may look
    with without_random_numbers():
        torch.nn.init.trunc_normal_(tensor, std=0.02)
    assert bool((tensor.abs() <= 2).all())


def test_a_constructor_that_raises_anything_is_told_in_one_sentence() -> None:
    spec = get_registry().model("metro")
    with pytest.raises(UsageError, match="cannot be built: ZeroDivisionError") as caught:
        build_model("metro", preset="tiny", options={"heads": 0})
    assert "hps models show metro" in caught.value.fix
    with pytest.raises(UsageError, match="cannot be built"):
        real_network(spec, complete_options(spec, "tiny", {"heads": 0}))
