"""Reading predicted hands in pieces: the same as a reader of JSON, or a finding, never a crash."""

import json
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpscli.run.hands.files import first_hands, read_hand_file

HANDS = [
    [[[0.1, -2e-05, 3], [1.5, 0, -0.25]], [[4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]],
    [[[0.5, 0.5, 0.5]], [[1e3, 2.0, 3.0]]],
]
TEXT = json.dumps(HANDS)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, len(TEXT) - 1), st.sampled_from(list('[],.-x"0 eN\n{}')), st.booleans())
def test_one_other_letter_is_read_as_json_or_found(
    tmp_path: Path, place: int, letter: str, instead: bool
) -> None:
    text = TEXT[:place] + letter + TEXT[place + instead :]
    file = tmp_path / "pred.json"
    file.write_text(text)
    found = read_hand_file(file)
    wrong = [finding for finding in found.findings if "bare JSON" not in finding.problem]
    try:
        expected = [np.array(part, np.float64) for part in json.loads(text)]
        assert len(expected) == 2 and all(a.ndim == 3 and a.shape[2] == 3 for a in expected)
        assert not any(word in text for word in ('"', "true", "null"))
    except (ValueError, TypeError, AssertionError, KeyError):
        assert wrong, text
        return
    assert found.joints is not None and found.vertices is not None, (text, wrong)
    for ours, theirs in zip((found.joints, found.vertices), expected, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)
    assert not wrong


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pred.json"
    file.write_bytes(content)
    assert read_hand_file(file).findings
    assert first_hands(file) is None or b"[" in content


def test_the_first_hands_are_read_from_the_start_alone(tmp_path: Path) -> None:
    file = tmp_path / "pred.json"
    file.write_text(TEXT)
    joints = first_hands(file)
    assert joints is not None and np.array_equal(joints, np.array(HANDS[0]))
    one = first_hands(file, count=1)
    assert one is not None and one.shape == (1, 2, 3)
