"""The plain forms give the same numbers, and the benchmark tells what each thing gained."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from hpscli.cli.app import run
from hpscli.nn.checkpoints import build_model
from hpscli.testing.speed.latency import OURS, PLAIN, measure, random_images, stages, used_forms
from hpscli.testing.speed.plain import (
    explicit_attention,
    nothing_remembered,
    sparse_products,
)

SIDE = (64, 64)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_model("fastmetro", preset="tiny", body_source="free")[0].eval()


@pytest.mark.parametrize("plain", [explicit_attention, nothing_remembered, sparse_products])
def test_a_plain_form_is_used_and_gives_the_same(
    network: nn.Module, plain: Callable[[], Any]
) -> None:
    images = random_images(SIDE, 2)
    with torch.no_grad():
        expected = network(images).vertices
        with plain() as uses:
            found = network(images).vertices
        assert torch.equal(network(images).vertices, expected)  # and is gone afterwards
    assert uses.count > 0
    assert torch.allclose(found, expected, atol=1e-5)


def test_explicit_attention_takes_masks_of_both_kinds() -> None:
    attention = torch.nn.functional.scaled_dot_product_attention
    query, key, value = torch.randn(3, 2, 4, 5, 8)
    allowed = torch.rand(5, 5) > 0.3
    allowed.fill_diagonal_(True)
    added = torch.randn(5, 5)
    expected = [attention(query, key, value, mask) for mask in (None, allowed, added)]
    with explicit_attention():
        plain = torch.nn.functional.scaled_dot_product_attention
        found = [plain(query, key, value, mask) for mask in (None, allowed, added)]
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_only_forms_that_a_network_has_use_for_are_measured() -> None:
    hmr = build_model("hmr", preset="tiny")[0].eval()
    assert used_forms(hmr, random_images(SIDE, 1)) == []


def test_every_form_is_timed_as_often_and_compared_turn_by_turn(network: nn.Module) -> None:
    timings = measure(network, random_images(SIDE, 1), turns=3)
    assert [timing.form for timing in timings[:2]] == [PLAIN, OURS]
    assert {"fused attention", "kept constants", "gathered upsampling"} < {t.form for t in timings}
    for timing in timings:
        assert len(timing.seconds) == 3 and timing.best_ms <= timing.median_ms
    assert timings[0].gain == 1.0


def test_parts_have_times_that_add_up(network: nn.Module) -> None:
    rows = {stage.path: stage.seconds for stage in stages(network, random_images(SIDE, 1), turns=3)}
    assert {"backbone", "transformer_1", "transformer_1.decoder", "hierarchy"} < rows.keys()
    tops = [path for path in rows if "." not in path and path != "(whole)"]
    for form in (PLAIN, OURS):
        assert sum(rows[path][form] for path in tops) == pytest.approx(rows["(whole)"][form])


def test_the_command_prints_gains_and_parts(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fastmetro.tiny", "--stages", "--turns", "3", "--batch", "1", "--json", "-q"]
    assert run(["bench", "latency", *words, "--no-compile"]) == 0
    document = json.loads(capsys.readouterr().out)
    forms = {form["form"]: form for form in document["batches"][0]["forms"]}
    assert forms["as loaded"]["gain"] > 0.5
    assert document["batches"][0]["stages"][-1]["part"] == "(whole)"


@pytest.mark.parametrize(
    "words,code,says",
    [
        (["fastmetro.tiny", "--batch", "two"], 2, "--batch two"),
        (["fastmetro.huge"], 2, "no preset 'huge'"),
        (["fastmetro.tiny", "--device", "tpu"], 2, "no device 'tpu'"),
        (["hmr.tiny", "--turns", "3", "--no-compile", "--least", "99"], 4, "below 99"),
    ],
)
def test_what_cannot_be_measured_is_said(
    words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "latency", *words]) == code
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_a_compiled_network_is_measured_too(network: nn.Module) -> None:
    timings = measure(network, random_images(SIDE, 1), turns=3, compiled=True)
    assert timings[-1].form == "torch.compile"
    assert timings[-1].note == "" and timings[-1].gain > 0
