"""Candidates in ``problem.json``, and specimens chosen among them together with their operations."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from clearlung.errors import CaseError, ProblemError
from clearlung.resection import LesionMargin
from clearlung.result_folder import problem_schema, write_result
from clearlung.staging import (
    Assignment,
    candidate_parts,
    load_protocol,
    parse_problem,
    problem_json,
    read_problem,
    solve_plan,
)
from clearlung.workflow import PlanRequest, make_plan

from ..lists import write_list
from .problems import protocol
from .test_problem_record import SMALL, same, small, without_seconds
from .test_together import excision

MARKED = (
    Assignment(lesions=(2,), only_in=(1,), reason="at the hilum"),
    Assignment(lesions=(3, 4), apart=True),
    Assignment(lesions=(5,), leave=True),
)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A plan from a list, and the folder that it leaves."""
    folder = tmp_path_factory.mktemp("choice")
    source = write_list(folder / "list.csv", 24)
    request = PlanRequest(source=source, protocol=load_protocol("conservative"), seed=2, assignments=MARKED)
    result = make_plan(request)
    write_result(result, folder / "out", command="test", options={})
    return result, folder / "out"


def test_every_candidate_is_kept_and_changes_nothing(planned):
    result, folder = planned
    text = (folder / "problem.json").read_text()
    written = json.loads(text)
    jsonschema.validate(written, json.loads(problem_schema()))
    assert len(written["candidates"]) == len(result.excision.candidates)
    assert [c["cost_ml"] for c in written["candidates"]] == result.excision.cost.tolist()
    same(parse_problem(problem_json(result.problem)), parse_problem(text))
    of = {c["id"]: c for c in written["candidates"]}
    for specimen in written["specimens"]:
        assert of[specimen["candidate"]]["volume_ml"] == specimen["volume_ml"]


def test_choosing_anew_from_a_list_gives_the_plan_that_it_led_to(planned):
    """A list has no voxels to lose: what is read back must choose as the plan did, bound and all."""
    result, folder = planned
    chosen = read_problem(folder, choose=True)
    same(result.problem.specimens, chosen.specimens)
    assert chosen.least_operations == result.problem.least_operations
    assert "counted in each" in chosen.warnings[-1]
    again, first = solve_plan(chosen), result.plan
    assert again.operations == first.operations
    assert again.solver.goals == first.solver.goals


def test_specimens_are_chosen_under_the_protocol_that_takes_the_place(planned):
    _, folder = planned
    other = load_protocol("high-volume")
    chosen = read_problem(folder, other, choose=True)
    assert chosen.least_operations.holds_for(chosen)
    direct = make_plan(
        PlanRequest(source=folder.parent / "list.csv", protocol=other, seed=2, assignments=MARKED)
    )
    assert chosen.specimens.candidate.tolist() == direct.specimens.candidate.tolist()
    assert solve_plan(chosen).operations == direct.plan.operations


def test_one_piece_is_chosen_where_it_saves_an_operation():
    """Alone the two take 50 minutes each, together 60, with more tissue; there is time for 70."""
    pieces = [
        {"id": k, "lesions": held, "technique": "laser", "lobe": "RUL", "volume_ml": ml, "minutes": minutes}
        for k, (held, ml, minutes) in enumerate([([1], 3, 50), ([2], 3, 50), ([1, 2], 30, 60)], start=1)
    ]
    text = small(
        specimens=pieces,
        lesions=SMALL["lesions"][:2],
        protocol=protocol(minutes_max=122.5).model_dump(mode="json"),
        access_minutes=52.5,
        reentry_minutes=0,
    )
    made = parse_problem(text)
    assert made.specimens.lesions == ((1, 2),)
    plan = solve_plan(made)
    assert len(plan.operations) == 1
    assert plan.solver.goal("operations").proven
    assert "whichever specimens" in plan.solver.goal("operations").method


def test_a_given_cost_takes_the_place_of_the_computed_one():
    pieces = [dict(piece) for piece in SMALL["specimens"]]
    assert parse_problem(small()).specimens.lesions == ((1, 2), (3,))
    pieces[2]["cost_ml"] = 1e6
    assert parse_problem(small(specimens=pieces)).specimens.lesions == ((1,), (2,), (3,))


def test_what_is_forced_and_why_is_kept(planned):
    result, _ = planned
    made = json.loads(problem_json(result.problem))
    made["forced"] = [{"lesion": 1, "reason": "too deep for a bed"}]
    back = parse_problem(json.dumps(made))
    assert back.specimens.forced == {1: "too deep for a bed"}
    same(back, parse_problem(problem_json(back)))


def test_candidates_tell_margins_only_where_one_number_does_not():
    parts = candidate_parts(*_two_pieces())
    assert [len(part.margins) for part in parts] == [0, 2]
    assert parts[1].margin_least_mm == 2.0
    assert parts[0].vessel_mm is None


def _two_pieces():
    cut = excision([(1,), (1, 2)], [10, 20], [1.0, 2.0])
    margins = (
        (LesionMargin(1, 5.0, 5.0, 4.0, 6.0, 1.0, 1.0),),
        (LesionMargin(1, 5.0, 5.0, 4.0, 6.0, 1.0, 1.0), LesionMargin(2, 5.0, 2.0, 1.0, 3.0, 0.9, 1.0)),
    )
    return replace(cut.candidates, margins=margins), np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"candidates": [SMALL["specimens"][0]] * 2}, "candidates[1].id"),
        ({"candidates": [SMALL["specimens"][0] | {"lesions": [9]}]}, "candidates[0].lesions"),
        ({"candidates": [SMALL["specimens"][0] | {"lesions": [3]}]}, "candidates[0].lesions"),
        ({"candidates": [SMALL["specimens"][0] | {"cost_ml": -1}]}, "candidates[0].cost_ml"),
        ({"forced": [{"lesion": 9, "reason": ""}]}, "forced[0].lesion"),
        ({"assignments": [{"lesions": [9], "leave": True}]}, "assignments[0].lesions"),
        ({"assignments": [{"lesions": [1]}]}, "assignments[0]"),
    ],
)
def test_the_error_names_the_field(changes, field):
    with pytest.raises(ProblemError) as refused:
        parse_problem(small(**changes))
    assert refused.value.field == field


def test_what_the_surgeon_wants_reaches_the_plan_and_the_problem(planned):
    result, folder = planned
    plan = result.plan
    assert plan.assignments == MARKED
    assert read_problem(folder).assignments == MARKED
    side = next(lesion.side for lesion in plan.lesions if lesion.id == 2)
    first = next(o for o in plan.operations if o.side == side)
    assert 2 in first.lesions
    assert not any({3, 4} <= set(o.lesions) for o in plan.operations)
    (left,) = [u for u in plan.unassigned if u.lesion == 5]
    assert left.code == "left_by_surgeon"
    assert without_seconds(solve_plan(read_problem(folder))) == without_seconds(plan)


def test_other_assignments_take_the_files_place_and_void_what_was_proven(planned):
    _, folder = planned
    wanted = (Assignment(lesions=(6,), leave=True),)
    changed = read_problem(folder, assignments=wanted)
    assert changed.assignments == wanted
    assert not changed.least_operations.holds_for(changed)
    with pytest.raises(CaseError) as refused:
        read_problem(folder, assignments=(Assignment(lesions=(99,), leave=True),))
    assert refused.value.field == "assignment[0].lesions"
