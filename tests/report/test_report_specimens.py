"""The table of an operation's specimens: margins with their bound, what is cut, and across which fissure."""

import dataclasses

import pytest
import report_cases as cases

from clearlung.report.specimens import specimen_notes, specimen_table
from clearlung.staging import PlannedSpecimen


@pytest.fixture(scope="module")
def report():
    return cases.make_input(24, operations=2)


def with_specimen(report, **fields):
    """The report with one operation of one specimen, and the row and heads of its table."""
    operation = report.plan.operations[0]
    specimen = PlannedSpecimen.model_validate(operation.specimens[0].model_dump() | fields)
    operation = operation.model_copy(update={"specimens": (specimen,)})
    changed = dataclasses.replace(report, plan=report.plan.model_copy(update={"operations": (operation,)}))
    table = specimen_table(changed, operation)
    return changed, dict(zip([column.title for column in table.columns], table.rows[0], strict=True))


def test_the_margin_is_shown_with_its_lower_bound(report):
    _, row = with_specimen(report, margin_mm=5.0, margin_low_mm=3.6, clear=0.998)
    assert row["Margin"].text == "5.0 (≥\u00a03.6)"
    assert row["Margin"].tone == ""


def test_a_cut_that_may_run_through_the_tumor_is_marked_and_explained(report):
    changed, row = with_specimen(report, margin_low_mm=-0.4, clear=0.91)
    assert row["Margin"].tone == "warn"
    assert "more than 5 % chance" in specimen_notes(changed)


@pytest.mark.parametrize(
    ("vessel", "bronchus", "words"),
    [(2.4, 1.3, "v\u00a02.4, b\u00a01.3"), (2.4, 0.0, "v\u00a02.4"), (0.0, 0.0, "–"), (None, None, "–")],
)
def test_what_is_cut_is_named_by_its_width(report, vessel, bronchus, words):
    _, row = with_specimen(report, vessel_mm=vessel, bronchus_mm=bronchus)
    assert row["Cuts"].text == words


def test_a_specimen_across_a_fissure_names_both_lobes(report):
    _, row = with_specimen(report, lobe="RUL", volume_ml=10.0, lobe_ml={"RUL": 8.0, "RML": 2.0})
    assert row["Lobe"].text == "RUL (RML 20 %)"
    _, row = with_specimen(report, lobe="RUL", volume_ml=10.0, lobe_ml={"RUL": 9.95, "RML": 0.05})
    assert row["Lobe"].text == "RUL"


def test_lesions_that_share_a_specimen_are_all_named(report):
    first, second = report.plan.operations[0].lesions[:2]
    _, row = with_specimen(report, lesions=(first, second))
    assert row["Lesions"].text == f"{first}, {second}"
    assert row["Depth"].text.count(",") == 1


def test_what_is_not_known_has_no_columns(report):
    unknown = dict.fromkeys(
        ("lobe_ml", "reach_mm", "margin_low_mm", "clear", "vessel_mm", "bronchus_mm", "closure")
    )
    changed, row = with_specimen(report, **unknown)
    assert not {"Reach", "Cuts", "Closure"} & set(row)
    assert row["Margin"].text == "5.0"
    assert "Reach" not in specimen_notes(changed)
