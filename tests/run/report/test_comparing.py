"""The page of a comparison."""

from hpscli.metrics.results.comparison import compare
from hpscli.run.report.comparing import comparison_html
from tests.run.report.results import JOINTS, joints, result
from tests.run.report.test_report import checked, text


def shifted(amount: float):
    errors = {name: values + amount for name, values in result().errors.items()}
    return result(errors=errors, details={"joint_errors_mm": joints() + amount})


def test_each_result_is_set_against_the_first() -> None:
    first, second, third = shifted(0.0), shifted(-5.0), shifted(4.0)
    found = [compare(first, other) for other in (second, third)]
    page = checked(comparison_html(first, [second, third], found))
    said = text(page)
    assert "B against A" in said and "C against A" in said
    assert "B is better" in said and "C is worse" in said
    assert page.count("<circle") == 80 and "person-000: 50, 45" in page
    assert "paired bootstrap" in said


def test_joints_are_compared_by_name() -> None:
    first = result(details={"joint_errors_mm": joints()}, tables={"joints": JOINTS})
    second = result(details={"joint_errors_mm": joints() + 2.0})
    page = checked(comparison_html(first, [second], [compare(first, second)]))
    assert "hip: 2 mm" in page and "knee: 2 mm" in page and "toe: " not in page


def test_results_of_other_joints_have_no_bars_of_joints() -> None:
    first = result(details={"joint_errors_mm": joints(3)})
    second = result(details={"joint_errors_mm": joints(4)})
    assert "mean error of each joint" not in comparison_html(
        first, [second], [compare(first, second)]
    )


def test_figures_without_shares_are_listed_without_pictures() -> None:
    bare = result(errors={})
    page = checked(comparison_html(bare, [bare], [compare(bare, bare)]))
    assert "no interval" in page and "<circle" not in page
