"""The fill rule, manifests of official layouts, comparing arrays."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.testing.goldens import (
    ReplayOptions,
    Rule,
    compare,
    compare_stored,
    fill,
    fill_manifest,
    locate,
    parse_rule,
    parse_values,
    read_golden,
    read_manifest,
)


def normal(key: str, shape: tuple[int, ...], xor: int = 0) -> np.ndarray:
    return np.random.RandomState(zlib.crc32(key.encode()) ^ xor).standard_normal(shape)


@pytest.mark.parametrize(
    ("key", "shape", "expected"),
    [
        ("bn.running_var", (5,), lambda n: 1 + 0.1 * np.abs(n)),
        ("bn.running_mean", (5,), lambda n: 0.1 * n),
        ("bn.weight", (5,), lambda n: 1 + 0.05 * n),
        ("norm.gamma", (5,), lambda n: 1 + 0.05 * n),
        ("fc.bias", (5,), lambda n: 0.05 * n),
        ("in_proj_bias", (5,), lambda n: 0.05 * n),
        ("fc.weight", (4, 9), lambda n: n / 3),
        ("conv.weight", (4, 2, 3, 3), lambda n: n * np.sqrt(1 / 18)),
    ],
)
def test_each_kind_of_tensor_is_filled_by_its_own_rule(
    key: str, shape: tuple[int, ...], expected: Any
) -> None:
    value = fill(key, shape)
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, expected(normal(key, shape)).astype(np.float32))


def test_a_xor_changes_the_seed_of_every_key() -> None:
    np.testing.assert_array_equal(
        fill("fc.weight", (4, 9), xor=12345),
        (normal("fc.weight", (4, 9), 12345) / 3).astype(np.float32),
    )


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("fill", Rule()),
        ("fill*0.7", Rule(scale=0.7)),
        ("fill_override: 80*rule + 0", Rule(scale=80)),
        ("fill_override: 1*rule + 3", Rule(offset=(3.0,))),
        ("fill_override: rule + tile([1,0,0,1,0,0])", Rule(offset=(1.0, 0.0, 0.0, 1.0, 0.0, 0.0))),
        ("2*n*sqrt(1/fan_in)", Rule(scale=2)),
        ("n (std 1, no fan-in scaling)", Rule(plain=True)),
        ("constant:int64 0;unused_in_forward", Rule(constant=True)),
    ],
)
def test_deviations_are_read_as_the_references_write_them(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


def test_a_rule_that_nobody_defined_is_refused() -> None:
    with pytest.raises(InvalidData, match="fill\\^2"):
        parse_rule("fill^2")


def test_scale_offset_and_bare_numbers_are_applied_before_the_cast() -> None:
    n = normal("head.bias", (6,))
    tiled = fill("head.bias", (6,), "rule + tile([1,0,0,1,0,0])")
    np.testing.assert_array_equal(tiled, (0.05 * n + [1, 0, 0, 1, 0, 0]).astype(np.float32))
    np.testing.assert_array_equal(fill("head.bias", (6,), "n"), n.astype(np.float32))


def write_json(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    "document",
    [
        {"file": "x", "keys": {"a.weight": {"shape": [2, 3], "dtype": "float32", "rule": "fill"}}},
        {"model": "x", "tensors": {"a.weight": [[2, 3], "float32", "matrix"]}},
        {"_meta": {"n": 1}, "a.weight": [[2, 3], "float32", "param"]},
        {"a.weight": [[2, 3], "float32", "param", "fill_override: 1*rule + 0"]},
    ],
)
def test_manifests_of_all_references_are_read(tmp_path: Path, document: object) -> None:
    entries = read_manifest(write_json(tmp_path / "keys.json", document))
    assert {key: (e.shape, e.dtype) for key, e in entries.items()} == {
        "a.weight": ((2, 3), "float32")
    }


def test_a_manifest_can_override_the_rule_of_keys_by_their_ending(tmp_path: Path) -> None:
    document = {
        "fill_overrides": [{"suffix": "_embed.weight", "rule": "n"}],
        "tensors": {"cam_embed.weight": [[2, 3], "float32", "matrix"]},
    }
    entries = read_manifest(write_json(tmp_path / "keys.json", document))
    assert entries["cam_embed.weight"].rule == Rule(plain=True)


def test_a_file_that_lists_no_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="lists no tensors"):
        read_manifest(write_json(tmp_path / "keys.json", {"note": "nothing"}))


def test_a_missing_manifest_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        read_manifest(tmp_path / "keys.json")


def test_a_manifest_becomes_a_state_dict_with_its_constants(tmp_path: Path) -> None:
    path = write_json(
        tmp_path / "keys.json",
        {
            "a.weight": [[2, 3], "float32", "param"],
            "a.num_batches_tracked": [[], "int64", "constant"],
            "init": [[1, 2], "float32", "constant"],
            "unknown": [[4], "float32", "constant"],
        },
    )
    state = fill_manifest(path, constants={"init": [5.0, 6.0]}, xor=3)
    assert list(state) == ["a.weight", "a.num_batches_tracked", "init"]
    assert state["init"].tolist() == [[5.0, 6.0]]
    assert int(state["a.num_batches_tracked"]) == 0
    np.testing.assert_array_equal(state["a.weight"].numpy(), fill("a.weight", (2, 3), xor=3))


def test_every_manifest_of_the_reference_that_a_model_has_is_understood(reference: Path) -> None:
    hmr = read_manifest(reference / "hmr" / "keys" / "spin_hmr_resnet50.json")
    osx = read_manifest(reference / "osx" / "keys" / "osx_b.json")
    assert len(hmr) == 331
    assert osx["module.encoder.pos_embed"].rule == Rule(scale=200)


def test_the_worst_difference_decides() -> None:
    check = compare("x", [1.0, 2.0], [1.0, 2.1], 0.05, "m")
    assert check.worst == pytest.approx(0.1)
    assert not check.ok
    assert compare("x", [1.0, 2.0], [1.0, 2.1], 0.2).ok


def test_relative_differences_are_of_the_largest_number() -> None:
    assert compare("x", [1.0, 100.1], [1.0, 100.0], 2e-3, "relative").ok
    assert not compare("x", [1.0, 101.0], [1.0, 100.0], 2e-3, "relative").ok


def test_nan_where_a_number_should_be_is_a_failure_but_nan_equals_nan() -> None:
    assert not compare("x", [np.nan], [1.0], 1.0).ok
    assert compare("x", [np.nan, 1.0], [np.nan, 1.0], 1e-9).ok
    assert compare("x", [np.nan, 1.0], [np.nan, 1.0], 1e-9, "relative").ok
    assert not compare("x", [np.nan, 1.1], [np.nan, 1.0], 1e-9, "relative").ok


def test_another_shape_is_a_failure_that_says_so() -> None:
    check = compare("x", np.zeros((2, 3)), np.zeros((3, 2)), 1.0)
    assert not check.ok
    assert "expected (3, 2)" in check.note


def test_whatever_a_golden_stores_of_an_array_is_compared() -> None:
    value = np.arange(2 * 200, dtype=np.float64).reshape(2, 200)
    golden = {
        "v_first64": value.ravel()[:64],
        "v_mean": value.mean(),
        "v_std": value.std(),
        "v_stride97": value.ravel()[::97],
        "vector_mean": np.zeros(()),
    }
    checks = list(compare_stored(golden, "v", value, 1e-12))
    assert [c.name for c in checks] == ["v_first64", "v_mean", "v_std", "v_stride97"]
    assert all(c.ok for c in checks)


def test_first_values_may_be_stored_for_each_row() -> None:
    value = np.random.RandomState(0).standard_normal((2, 100))
    checks = list(compare_stored({"f_first64": value[:, :64]}, "f", value, 1e-12))
    assert [c.ok for c in checks] == [True]


def test_a_golden_is_found_in_a_flat_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HPS_REFERENCE", raising=False)
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    assert read_golden(tmp_path, "goldens/x.npz")["a"].tolist() == [1, 1, 1]
    with pytest.raises(MissingError, match="keys/y.json"):
        locate(tmp_path, "keys/y.json")


def test_what_a_folder_lacks_is_taken_from_the_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "references" / "hmr" / "keys" / "y.json"
    keys.parent.mkdir(parents=True)
    keys.touch()
    monkeypatch.setenv("HPS_REFERENCE", str(tmp_path / "references"))
    assert locate(tmp_path / "elsewhere", "keys/y.json") == keys


def test_a_golden_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{"evil": 1}], dtype=object))
    with pytest.raises(InvalidData, match=r"x\.npz"):
        read_golden(tmp_path, "x.npz")


def test_an_array_that_a_golden_lacks_is_named_with_its_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    golden = read_golden(tmp_path, "x.npz")
    with pytest.raises(InvalidData, match=r"x\.npz has no array 'b'"):
        golden["b"]
    assert golden.get("b", 2) == 2


@pytest.mark.parametrize("content", [b"", b"some words", b"PK damaged"])
def test_a_file_that_is_no_archive_is_no_golden(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InvalidData, match="not a readable golden"):
        read_golden(tmp_path, "x.npz")


def test_a_flipped_bit_in_a_golden_is_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.ones(100))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[300] ^= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InvalidData, match="not a readable golden"):
        read_golden(tmp_path, "x.npz")


def test_options_are_those_that_a_kind_declares() -> None:
    assert parse_values(["body_seed=9"], {"body_seed": 7}) == {"body_seed": 9}
    assert parse_values(["body_seed=0x10"], {"body_seed": 7}) == {"body_seed": 16}
    with pytest.raises(UsageError, match="no golden here has an option 'bod_seed'") as error:
        parse_values(["bod_seed=9"], {"body_seed": 7})
    assert "body_seed" in error.value.fix
    with pytest.raises(UsageError, match="expected int"):
        parse_values(["body_seed=x"], {"body_seed": 7})
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_values(["body_seed"], {"body_seed": 7})


def test_the_option_of_a_seed_counts_more_than_the_seed_of_all_images() -> None:
    assert ReplayOptions().first_seed("noise_seed", 62) == 62
    assert ReplayOptions(input_seed=5).first_seed("noise_seed", 62) == 5
    named = ReplayOptions(input_seed=5, values={"noise_seed": 8})
    assert named.first_seed("noise_seed", 62) == 8
