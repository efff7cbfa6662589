"""The report of an evaluation: what a reader must know is in it, and nothing is fetched."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hpscli.metrics.results import read_result, write_result
from hpscli.metrics.rules import Table
from hpscli.render.pictures import write_image
from hpscli.run.report import report_html, write_report
from tests.run.report.results import ACTIONS, CURVE, JOINTS, joints, result

REFERENCE = {
    "mpjpe": {
        "value": 70.0,
        "source": "Who & Whom, table 2",
        "difference": -0.5,
        "label": "Ours-L",
        "note": "with <flips>",
    },
    "pck": {"value": 32.0, "source": "README", "difference": -2.0, "doubt": "copied"},
}


class Balance(HTMLParser):
    """Complains about elements that are closed in the wrong order or not at all."""

    alone = frozenset({"meta", "img", "br", "line", "circle", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.alone:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.alone:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def checked(page: str) -> str:
    """-> the page, which is balanced and fetches nothing."""
    balance = Balance()
    balance.feed(re.sub(r"<(line|circle|polyline)([^>]*)/>", r"<\1\2>", page))
    assert not balance.wrong and not balance.open
    assert not re.findall(r"(?:src|href)=['\"](?!data:)", page) and "url(" not in page
    return page


def text(page: str) -> str:
    """-> the words of a page without its elements."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_it_lies_beside_the_result_and_survives_being_read_back(tmp_path: Path) -> None:
    whole = result(
        details={"joint_errors_mm": joints()},
        tables={"joints": JOINTS, "actions": ACTIONS},
        curves={"pck": CURVE},
        reference=REFERENCE,
    )
    file = write_result(tmp_path / "result.json", whole)
    page = write_report(file, read_result(file))
    assert page == tmp_path / "result.html"
    checked(page.read_text())
    assert report_html(read_result(file), {}) == page.read_text()


def test_ours_published_and_difference_stand_together_with_doubts() -> None:
    page = checked(report_html(result(reference=REFERENCE), {}))
    said = text(page)
    assert "69.50" in said and "70.00" in said and "-0.50" in said
    assert "Ours-L, Who &amp; Whom" in said and "with &lt;flips&gt;" in said
    assert "doubtful: copied" in said
    assert "<span class='good'>-0.50" in page and "<span class='bad'>-2.00" in page
    assert "0.7641" in said  # shares have no unit and more digits


def test_it_says_rules_hashes_standing_and_licence() -> None:
    said = text(checked(report_html(result(), {})))
    for word in ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "CC0 &amp; more", "step 7", "flip no"):
        assert word in said
    assert "24 joints of smpl24" in said and "published by nobody else" in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"body": {"kind": "smpl", "source": "free"}}, "Made with the free body"),
        ({"settings": {"limit": 5}}, "Only the first 5 people"),
        ({"settings": {"tta": "flip"}}, "several views of the person (--tta flip)"),
        (
            {"data": {"dataset": "coco", "split": "test"}},
            "people are of coco/test, not of synthetic",
        ),
        ({"notes": ("Mind the <gap>.",)}, "Mind the &lt;gap&gt;."),
    ],
)
def test_what_must_be_known_first_is_marked(changes: dict, words: str) -> None:
    page = checked(report_html(result(**changes), {}))
    (mark,) = re.findall(r"<p class='mark'>(.*?)</p>", page)
    assert words in mark
    assert "class='mark'" not in report_html(result(), {})


def test_a_corrected_protocol_names_the_one_beside_it() -> None:
    about = {**result().protocol, "standing": "corrected", "beside": "synthetic/test@other-v1"}
    assert "Beside it: synthetic/test@other-v1" in checked(report_html(result(protocol=about), {}))


def test_joints_have_bars_by_the_names_in_the_table() -> None:
    page = checked(
        report_html(result(details={"joint_errors_mm": joints()}, tables={"joints": JOINTS}), {})
    )
    assert "hip: 10 mm" in page and "knee: 20 mm" in page and "toe: " not in page


def test_joints_without_a_table_are_those_of_the_protocol_or_numbered() -> None:
    named = report_html(result(details={"joint_errors_mm": joints(24)}), {})
    numbered = report_html(result(details={"joint_errors_mm": joints(5)}), {})
    assert "left_hip: 20 mm" in named and "joint 1: 20 mm" in numbered


def test_joints_are_shown_after_alignment_too_where_the_rule_keeps_them() -> None:
    details = {"joint_errors_mm": joints(24), "aligned_errors_mm": joints(24) / 2}
    page = checked(report_html(result(details=details), {}))
    assert "error of each joint after alignment" in page and "left_hip: 10 mm" in page


def test_of_very_many_rows_the_greatest_are_drawn_and_all_are_listed() -> None:
    rows = tuple((f"video {number}", float(number)) for number in range(200))
    videos = Table(title="Videos", columns=("video", "MPJPE"), rows=rows, unit="mm")
    page = checked(report_html(result(tables={"sequences": videos}), {}))
    assert "the 60 greatest" in page and "200 rows" in page
    assert page.count("<title>video ") == 60 and "video 199: 199 mm" in page


def test_shares_have_more_digits_than_millimetres() -> None:
    rows = (("a", 0.8831, 51.256), ("b", 0.5, 60.0))
    listed = Table(title="T", columns=("", "AUC", "MPJPE"), rows=rows)
    page = checked(report_html(result(tables={"groups": listed}), {}))
    assert "0.8831" in page and ">51.26<" in page


def test_actions_curves_and_official_lines_are_shown() -> None:
    page = checked(
        report_html(
            result(tables={"actions": ACTIONS}, curves={"pck": CURVE}, official_text="auc=0.883"),
            {},
        )
    )
    assert "<pre>auc=0.883</pre>" in page and "hands" in page and "51.25" in page


def test_videos_are_averaged_when_labels_name_them() -> None:
    names = tuple("first" if number < 10 else "second" for number in range(40))
    page = checked(report_html(result(sequences=names), {}))
    assert "first: 54.5 mm" in page and "second: 74.5 mm" in page


def test_the_worst_people_are_named_worst_first() -> None:
    page = checked(report_html(result(), {}))
    listed = re.findall(r"<code>(person-\d+)</code>", page)
    assert listed[:3] == ["person-039", "person-038", "person-037"] and len(listed) == 20


def test_pictures_are_inside_and_large_ones_are_made_small(tmp_path: Path) -> None:
    noise = np.random.RandomState(0).randint(0, 255, (400, 400, 3), dtype=np.uint8)
    write_image(tmp_path / "people.png", noise)
    page = checked(report_html(result(), {"worst <people>": tmp_path / "people.png"}))
    assert "data:image/jpeg;base64," in page and "worst &lt;people&gt;" in page
    assert len(page) < (tmp_path / "people.png").stat().st_size


def test_a_result_of_whole_sets_alone_has_a_report() -> None:
    page = checked(report_html(result(errors={}, keys=(), details={}), {}))
    assert "69.50" in page and "Worst people" not in page


def test_a_protocol_that_is_not_installed_any_more_still_has_a_report() -> None:
    about = {**result().protocol, "name": "gone/test@gone-v1"}
    assert "gone/test@gone-v1" in checked(report_html(result(protocol=about), {}))


def test_numbers_that_are_none_are_dashes(tmp_path: Path) -> None:
    figures = {**result().metrics, "f5": result().metrics["f5"].__class__(value=float("nan"))}
    file = write_result(tmp_path / "r.json", result(metrics=figures))
    back = read_result(file)
    assert np.isnan(back.metrics["f5"].value)
    assert "<strong>-</strong>" in checked(report_html(back, {}))
