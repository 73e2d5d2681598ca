"""Operations on both lungs, recovery and scans, in lanes, tables and words."""

import dataclasses

import pytest
import report_cases as cases
from matplotlib.patches import Rectangle

from clearlung.report.course import draw_course
from clearlung.report.lanes import LANES, lesions_by_side, rest_until
from clearlung.report.operations import assignment_blocks, operation_blocks
from clearlung.report.overview import glance
from clearlung.report.pictures import Atlas, course_picture
from clearlung.staging import sides_of


@pytest.fixture(scope="module")
def report():
    return cases.make_both_input()


def lanes_axes(plan):
    return draw_course(plan, 178.0).axes[-1]


def written(axes):
    return [text.get_text() for text in axes.texts]


def test_the_lesions_of_an_operation_on_both_sides_are_counted_by_side(report):
    both = report.plan.operations[0]
    assert sides_of(both.side) == ("right", "left")
    counted = lesions_by_side(both)
    sides = [report.lesions[number].side for number in both.lesions]
    assert counted == {"right": sides.count("right"), "left": sides.count("left")}
    assert min(counted.values()) > 0


def test_an_operation_on_both_sides_has_a_mark_in_each_lane_joined_by_a_line(report):
    axes = lanes_axes(report.plan)
    joined = [line for line in axes.lines if list(line.get_xdata()) == [0, 0]]
    assert [sorted(line.get_ydata()) for line in joined] == [sorted(LANES.values())]
    heights = {float(y) for marks in axes.collections for x, y in marks.get_offsets() if x == 0}
    assert heights == set(LANES.values())
    # Its number stands once, above the upper mark, its counts below each.
    words = written(axes)
    assert [words.count(str(count)) >= 1 for count in lesions_by_side(report.plan.operations[0]).values()]
    bold = [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"]
    assert sorted(bold) == ["1", "2", "3"]


def test_a_bar_runs_until_the_protocol_lets_the_lung_be_operated_on_again(report):
    plan = report.plan
    weeks = plan.protocol.weeks
    bars = [patch for patch in lanes_axes(plan).patches if isinstance(patch, Rectangle)]
    drawn = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars)
    expected = sorted((o.week, rest_until(plan, o)) for o in plan.operations for _ in sides_of(o.side))
    assert drawn == expected
    assert rest_until(plan, plan.operations[0]) == weeks.same_side_min
    perfused = plan.operations[2]
    wait = max(weeks.same_side_min, weeks.after_perfusion_min)
    assert rest_until(plan, perfused) == perfused.week + wait


def test_scans_have_a_lane_of_their_own_where_there_are_some(report):
    labels = [label.get_text() for label in lanes_axes(report.plan).get_yticklabels()]
    assert labels == ["Right  R", "Left  L", "CT"]
    without = [o.model_copy(update={"scan_week": None}) for o in report.plan.operations]
    plan = report.plan.model_copy(update={"operations": tuple(without)})
    assert len(lanes_axes(plan).get_yticklabels()) == 2


def test_words_tell_of_both_sides_and_of_the_scan(report):
    picture = course_picture(report)
    assert "operation 1 in week 0, both sides: FEV1" in picture.alt
    assert "operation 2 in week 8, left, CT in week 7: FEV1" in picture.alt
    assert "CT: the scans" in picture.caption


def test_tables_tell_of_both_sides(report):
    table = next(block for block in glance(report) if block.kind == "table")
    count = lesions_by_side(report.plan.operations[0])
    side = table.rows[0][2]
    assert (side.text, side.note) == ("both sides", f"{count['right']} right, {count['left']} left")
    assert table.rows[1][2].note == ""
    blocks = operation_blocks(report, Atlas(report))
    headings = [block.text for block in blocks if block.kind == "heading"]
    assert headings[0] == "Operation 1: both sides, week 0"
    texts = [block.text for block in blocks if block.kind == "text"]
    assert any(f"({count['right']} right, {count['left']} left) in" in text for text in texts)
    assert "CT before it: week 7." in texts
    specimens = next(block for block in blocks if block.kind == "table")
    assert len(specimens.rows) == len(report.plan.operations[0].specimens)
    assert {row[2].text[0] for row in specimens.rows} == {"R", "L"}


def test_the_maps_of_an_operation_on_both_sides_show_both_lungs(report):
    (pictures,) = Atlas(report).of_operation(report.plan.operations[0])
    names = [picture.name for picture in pictures.pictures]
    assert names == ["map-coronal", "map-axial"]
    for picture in pictures.pictures:
        count = len(report.plan.operations[0].lesions)
        assert f"{count} in operation 1" in picture.alt
        assert "the patient's right is on the picture's left" in picture.alt


def test_what_the_surgeon_decided_is_said(report):
    heading, bullets = assignment_blocks(report.plan)
    assert heading.text == "What the surgeon has decided"
    assert bullets.items == ("lesion 5: not removed (at the hilum)",)
    assert assignment_blocks(report.plan.model_copy(update={"assignments": ()})) == ()


def test_floors_of_dlco_are_drawn_where_the_protocol_has_them(report):
    known = {
        "dlco_percent": 80.0,
        "ppo_dlco_percent": 70.0,
        "ppo_dlco_low_percent": 56.0,
        "ppo_dlco_high_percent": 84.0,
    }
    plan = report.plan.model_copy(update={"function": report.plan.function.model_copy(update=known)})

    def floors(limits):
        function = plan.protocol.function.model_copy(update=limits)
        protocol = plan.protocol.model_copy(update={"function": function})
        figure = draw_course(plan.model_copy(update={"protocol": protocol}), 178.0)
        (panel,) = [axes for axes in figure.axes if axes.get_ylabel().startswith("DLCO")]
        return [text for text in written(panel) if text.startswith("floor")]

    assert floors({}) == []
    assert floors({"ppo_dlco_percent_min": 40.0}) == ["floor after recovery 40 %"]
    assert floors({"ppo_dlco_percent_min": 35.0, "dlco_after_percent_min": 30.0}) == [
        "floor right after an operation 30 %",
        "floor after recovery 35 %",
    ]


def test_nodules_without_a_place_are_named_and_left_off_the_maps():
    report = cases.make_input(12, 2, spacing_mm=(4.0, 4.0, 4.0))
    x_mm = report.nodules.x_mm.copy()
    x_mm[3] = float("nan")
    some = dataclasses.replace(report, nodules=report.nodules.with_columns(x_mm=x_mm))
    assert some.has_places
    assert some.unplaced == (4,)
    picture, _ = Atlas(some).overview(100.0)
    assert "11 numbered nodules" in picture.alt
