"""The table of an operation's specimens: margins with their bound, what is cut, and across which fissure."""

import dataclasses

import pytest
import report_cases as cases

from clearlung.report.operations import operation_blocks
from clearlung.report.pictures import Atlas
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


def test_the_margin_is_shown_with_its_interval(report):
    _, row = with_specimen(
        report, margin_mm=5.0, margin_least_mm=5.1, margin_low_mm=3.7, margin_high_mm=6.5, clear=0.998
    )
    assert row["Margin"].text.replace("\u00a0", " ") == "5.1 (3.7 to 6.5)"
    assert (row["Margin"].tone, row["Margin"].note) == ("", "")


def test_a_margin_that_misses_the_planned_one_names_that(report):
    _, row = with_specimen(
        report, margin_mm=5.0, margin_least_mm=3.9, margin_low_mm=2.5, margin_high_mm=5.3, clear=0.998
    )
    assert row["Margin"].note == "planned 5.0"


def test_a_cut_that_may_run_through_the_tumor_is_marked_and_explained(report):
    changed, row = with_specimen(report, margin_least_mm=0.9, margin_low_mm=-0.4, clear=0.91)
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
        (
            "lobe_ml",
            "reach_mm",
            "margin_least_mm",
            "margin_low_mm",
            "clear",
            "vessel_mm",
            "bronchus_mm",
            "closure",
        )
    )
    changed, row = with_specimen(report, **unknown)
    assert not {"Reach", "Cuts", "Closure"} & set(row)
    assert row["Margin"].text == "5.0 planned"
    assert "Reach" not in specimen_notes(changed)


def test_what_an_operation_takes_is_shown_as_intervals(report):
    blocks = operation_blocks(report, Atlas(report))
    said = [block.text for block in blocks if block.kind == "text" and block.text.startswith("Expected")]
    assert len(said) == len(report.plan.operations)
    for words in (
        "22 (9 to 44) % chance of a complication",
        "6 (3 to 14) days in hospital",
        "210 (80 to 600) ml of blood",
        "min in theatre",
        "the minutes extrapolate",
    ):
        assert words in said[0]


def test_an_operation_without_estimates_says_nothing_of_them(report):
    unknown = dict.fromkeys(
        (
            "minutes_low",
            "minutes_expected",
            "minutes_high",
            "blood_ml",
            "complication_percent",
            "stay_days",
        )
    )
    operations = tuple(o.model_copy(update=unknown) for o in report.plan.operations)
    plan = report.plan.model_copy(update={"operations": operations})
    blocks = operation_blocks(dataclasses.replace(report, plan=plan), Atlas(report))
    assert not any(block.kind == "text" and block.text.startswith("Expected") for block in blocks)
