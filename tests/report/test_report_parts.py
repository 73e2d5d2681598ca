"""Colors, numbers and limits."""

import dataclasses

import pytest
import report_cases as cases

from clearlung.report import operation_color, operation_marker
from clearlung.report.limits import limit_blocks
from clearlung.report.marks import operation_sign, symbol_svg
from clearlung.report.numbers import fixed, plain
from clearlung.report.overview import headline


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_color_and_shape_together_name_an_operation():
    signs = {(operation_color(n), operation_marker(n)) for n in range(1, 78)}
    assert len(signs) == 77
    assert len({operation_sign(n) for n in range(1, 78)}) == 77


def test_shape_alone_tells_the_first_eleven_apart_in_black_and_white():
    assert len({operation_marker(n) for n in range(1, 12)}) == 11


def test_colors_show_on_white():
    for number in range(1, 8):
        assert 1.05 / (luminance(operation_color(number)) + 0.05) > 1.9


def test_operations_are_numbered_from_one():
    with pytest.raises(ValueError, match="numbered from 1"):
        operation_color(0)


def test_symbols_are_pictures():
    assert symbol_svg(1).startswith("<svg")
    assert symbol_svg(None) != symbol_svg(1)


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(414.5, 0, "415"), (-2.4, 0, "−2"), (0.25, 1, "0.3"), (-0.2, 0, "0")]
)
def test_fixed(value, digits, text):
    assert fixed(value, digits) == text


@pytest.mark.parametrize(("value", "text"), [(1e-7, "1e-07"), (30.0, "30"), (0.25, "0.25")])
def test_plain(value, text):
    assert plain(value) == text


def limit_rows(plan):
    table = next(block for block in limit_blocks(plan) if block.kind == "table")
    return {row[0].text: row for row in table.rows}


@pytest.fixture(scope="module")
def plan():
    _, anatomy = cases.make_scan((4.0, 4.0, 4.0))
    return cases.make_plan(cases.make_nodules(anatomy, 100))


def test_limits_are_compared_with_what_the_plan_reaches(plan):
    rows = limit_rows(plan)
    most = max(len(o.lesions) for o in plan.operations)
    assert rows["Metastases removed, at most"][2].text == str(most)
    assert rows["Weeks until the other side, at least"][2].text == "8 weeks"
    assert rows["Weeks until the same side again, at least"][2].text == "16 weeks"
    assert "at the limit" in rows["Perfusions of each lung, at most"][4].text


def test_a_broken_limit_is_called_broken(plan):
    tight = plan.protocol.per_operation.model_copy(update={"nodules_max": 3})
    protocol = plan.protocol.model_copy(update={"per_operation": tight})
    rows = limit_rows(plan.model_copy(update={"protocol": protocol}))
    assert rows["Metastases removed, at most"][4].text.endswith("broken")


def test_a_limit_without_evidence_is_the_protocols_own(plan):
    bare = plan.protocol.model_copy(update={"evidence": {}})
    rows = limit_rows(plan.model_copy(update={"protocol": bare}))
    assert {row[5].text for row in rows.values()} == {"set by the protocol"}


def test_without_perfusion_only_its_own_limits_are_left_out(plan):
    part = plan.protocol.perfusion.model_copy(update={"regimen": "none"})
    protocol = plan.protocol.model_copy(update={"perfusion": part})
    rows = limit_rows(plan.model_copy(update={"protocol": protocol}))
    gone = set(limit_rows(plan)) - set(rows)
    assert len(gone) == 2
    assert all("perfusion" in words.lower() for words in gone)
    assert any(words.startswith("Minutes in theatre") for words in rows)


def test_headline_says_when_all_is_removed_and_proven(plan):
    solver = plan.solver.model_copy(update={"status": "optimal"})
    lesions = tuple(lesion for lesion in plan.lesions if lesion.operation)
    words = headline(plan.model_copy(update={"solver": solver, "lesions": lesions, "unassigned": ()}))
    assert words.startswith(f"{len(lesions)} metastases in 6 operations over 40 weeks")
    assert words.endswith("proven optimal in every goal")


def test_the_drawn_course_is_the_plans_own():
    from clearlung.report.course import courses_of
    from clearlung.staging.plan import FunctionPoint

    plan = cases.make_input(20, 6, spacing_mm=(4.0, 4.0, 4.0)).plan
    (joined,) = courses_of(plan)
    # Without a stored course the plan's own values are joined.
    for operation in plan.operations:
        place = joined.weeks.index(float(operation.week))
        assert joined.values[place : place + 2] == (
            operation.fev1_before_percent,
            operation.fev1_after_percent,
        )
    points = tuple(
        FunctionPoint(week=float(w), fev1_percent=90.0 - w, dlco_percent=80.0 - w) for w in range(4)
    )
    known = {
        "course": points,
        "dlco_percent": 80.0,
        "ppo_dlco_percent": 70.0,
        "ppo_dlco_low_percent": 56.0,
        "ppo_dlco_high_percent": 84.0,
    }
    fev1, dlco = courses_of(plan.model_copy(update={"function": plan.function.model_copy(update=known)}))
    assert (fev1.weeks, fev1.values) == ((0, 1, 2, 3), (90, 89, 88, 87))
    assert (dlco.name, dlco.values, dlco.final) == ("DLCO", (80, 79, 78, 77), (56, 70, 84))


def test_nodules_are_looked_up_by_number_and_not_by_place():
    report = cases.make_input(5, 2, spacing_mm=(4.0, 4.0, 4.0))
    moved = report.nodules.with_columns(id=report.nodules.id[::-1].copy())
    assert dataclasses.replace(report, nodules=moved).row_of == {5: 0, 4: 1, 3: 2, 2: 3, 1: 4}


def test_report_input_is_frozen():
    report = cases.make_input(5, 2, spacing_mm=(4.0, 4.0, 4.0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.title = "other"
