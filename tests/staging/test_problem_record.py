"""``problem.json``: written and read back exactly, and refused with the name of the field."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.errors import InfeasiblePlan, ProblemError
from clearlung.evidence import load_evidence
from clearlung.resection import (
    EarlierResection,
    Exercise,
    FunctionModel,
    LungFunction,
    PatientFunction,
    with_history,
)
from clearlung.result_folder import problem_schema, write_result
from clearlung.staging import (
    StagingProblem,
    estimates,
    load_protocol,
    parse_problem,
    problem_json,
    read_problem,
    solve_plan,
)
from clearlung.workflow import PlanRequest, make_plan

from ..lists import write_list
from .problems import function, problem, protocol

SMALL = {
    "format": "clearlung-problem/1",
    "lesions": [
        {"id": 1, "lobe": "RUL", "diameter_mm": 6, "depth_mm": 8},
        {"id": 2, "lobe": "RUL", "diameter_mm": 5, "depth_mm": 8},
        {"id": 3, "lobe": "LLL", "diameter_mm": 4, "depth_mm": 2, "vdt_days": "infinite"},
    ],
    "specimens": [
        {"id": 4, "lesions": [1], "technique": "laser", "lobe": "RUL", "volume_ml": 2, "minutes": 7},
        {"id": 5, "lesions": [2], "technique": "laser", "lobe": "RUL", "volume_ml": 2, "minutes": 7},
        {"id": 6, "lesions": [1, 2], "technique": "wedge", "lobe": "RUL", "volume_ml": 3, "minutes": 9},
        {"id": 7, "lesions": [3], "technique": "laser", "lobe": "LLL", "volume_ml": 1, "minutes": 7},
    ],
    "planned": "choose",
    "fev1": {"baseline_percent": 95, "lung_ml": 5000},
    "protocol": "conservative",
}


def small(**changes):
    return json.dumps(SMALL | changes)


def same(one, other):
    """Demand two problems alike in every column and number."""
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif is_dataclass(one):
        assert type(one) is type(other)
        for field in fields(one):
            if field.compare:
                same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, Mapping):
        assert one.keys() == other.keys()
        for key, value in one.items():
            same(value, other[key])
    else:
        assert one == other


def without_seconds(plan):
    return plan.model_copy(update={"solver": plan.solver.model_copy(update={"seconds": 0.0})})


def answer(made):
    try:
        return without_seconds(solve_plan(made))
    except InfeasiblePlan as error:
        return error.reasons


def patient(fev1: FunctionModel) -> PatientFunction:
    book = load_evidence()
    earlier = (EarlierResection("left", "lobectomy", "LUL", weeks_ago=7.5), EarlierResection("left", "laser"))
    dlco = FunctionModel.from_evidence(
        book, "dlco", percent=71.3, predicted=None, lung_ml=fev1.lung_ml, confidence=0.95
    )
    return PatientFunction(
        lungs=LungFunction(fev1, with_history(dlco, earlier), 0.1 + 0.2, "ct volume"),
        lobe_ml=np.array([900.1, 500.0, 1100.7, 0.0, 1000.3]),
        functional_ml=np.array([700.0, 400.0, 900.0, 0.0, 800.0]),
        earlier=earlier,
        exercise=Exercise(vo2_ml_kg_min=17.2),
    )


specimens = st.lists(
    st.tuples(
        st.sampled_from(("RUL", "RML", "RLL", "LUL", "LLL")),
        st.floats(0.1, 40),
        st.floats(1, 60),
        st.integers(1, 3),
    ),
    max_size=7,
)


@settings(max_examples=25, deadline=None)
@given(
    specimens,
    st.sampled_from((None, 33.3, -80.0, np.inf)),
    st.booleans(),
    st.booleans(),
    st.integers(0, 9),
)
def test_what_is_read_back_is_the_problem_and_has_the_identical_plan(rows, vdt, perfused, known, seed):
    made = problem(
        rows,
        protocol(minutes_max=400.0, per_lung_max=1),
        model=(model := function(lung_ml=4321.1)),
        perfused=perfused,
        vdt=vdt,
        seed=seed,
        reentry=12.3,
        operated=("left",),
        anatomical=(0,),
        patient=patient(model) if known else None,
    )
    back = parse_problem(problem_json(made))
    same(made, back)
    assert answer(back) == answer(made)


def test_a_patient_whose_own_fev1_differs_from_the_problems_keeps_both():
    made = problem([("RUL", 2, 9)], patient=patient(function(fev1_percent=90.0)))
    same(made, parse_problem(problem_json(made)))


def test_a_fixed_share_of_the_perfusions_is_kept():
    made = replace(problem([("RUL", 2, 9), ("LUL", 2, 9)], perfused=True), perfusions={"right": 0, "left": 1})
    back = parse_problem(problem_json(made))
    same(made, back)
    assert back.perfusions_on("left") == 1


def test_a_problem_without_lesions_is_one():
    same(problem([]), parse_problem(problem_json(problem([]))))


def test_the_plan_folder_holds_the_problem_that_its_plan_solves(tmp_path, monkeypatch):
    estimated = []
    estimate = estimates.occult_burden
    monkeypatch.setattr(
        estimates, "occult_burden", lambda *one, **two: estimated.append(1) or estimate(*one, **two)
    )
    source = write_list(tmp_path / "list.csv", 25)
    result = make_plan(PlanRequest(source=source, protocol=load_protocol("high-volume"), seed=2))
    write_result(result, tmp_path / "out", command="test", options={})
    # For plan and report together.
    assert len(estimated) == 1
    back = read_problem(tmp_path / "out")
    same(result.problem, back)
    assert result.problem.benefit is not None
    same(result.problem.benefit, back.benefit)
    assert without_seconds(solve_plan(back)) == without_seconds(result.plan)
    text = (tmp_path / "out" / "problem.json").read_text()
    jsonschema.validate(json.loads(text), json.loads(problem_schema()))


def test_what_is_left_out_comes_from_the_evidence_and_the_protocol():
    made = parse_problem(small(protocol="high-volume"))
    book = made.protocol.book()
    assert made.protocol == load_protocol("high-volume")
    assert made.regimen.name == made.protocol.perfusion.regimen
    assert made.access_minutes == book.value("time.access", unit="min")
    assert made.function == FunctionModel.from_evidence(
        book, "fev1", percent=95, predicted=None, lung_ml=5000, confidence=made.protocol.function.confidence
    )
    assert made.lesions.vdt_days[2] == np.inf
    assert np.isnan(made.lesions.vdt_days[0])
    jsonschema.validate(SMALL, json.loads(problem_schema()))


def test_chosen_specimens_hold_every_lesion_once_and_cost_least():
    made = parse_problem(small())
    assert made.specimens.lesions == ((1, 2), (3,))  # 3 ml in 9 minutes against 4 ml in 14
    assert made.specimens.candidate.tolist() == [6, 7]
    assert made.specimens.id.tolist() == [1, 2]
    assert "counted" in made.warnings[-1]
    (stays,) = solve_plan(parse_problem(small(unresectable=[{"lesion": 2, "reason": "no"}]))).unassigned
    assert (stays.lesion, stays.reason) == (2, "no")


def test_a_short_margin_is_weighed_when_specimens_are_chosen():
    short = [dict(s) for s in SMALL["specimens"]]
    short[2] |= {"margins": [{"lesion": i, "planned_mm": 5, "margin_mm": 0} for i in (1, 2)]}
    assert parse_problem(small(specimens=short)).specimens.lesions == ((1,), (2,), (3,))


def test_named_specimens_keep_their_numbers():
    made = parse_problem(small(planned=[7, 4, 5]))
    assert made.specimens.id.tolist() == [4, 5, 7]
    assert {u.code for u in solve_plan(parse_problem(small(planned=[4, 7]))).unassigned} == {"no_specimen"}


def changed(part, place, **changes):
    rows = [dict(row) for row in SMALL[part]]
    rows[place] |= changes
    return {part: rows}


INLINE = load_protocol("conservative").model_dump(mode="json")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"format": "clearlung-problem/9"}, "format", "clearlung-problem/1"),
        ({"nodules": []}, "nodules", "not a field"),
        (changed("specimens", 1, volume_ml=-1), "specimens[1].volume_ml", "-1"),
        (changed("specimens", 1, volume_ml="2"), "specimens[1].volume_ml", "'2'"),
        (changed("specimens", 1, id=4), "specimens[1].id", "twice"),
        (changed("specimens", 1, lesions=[]), "specimens[1].lesions", "at least 1"),
        (changed("specimens", 1, lesions=[8]), "specimens[1].lesions", "8 is not"),
        (changed("specimens", 1, lesions=[2, 2]), "specimens[1].lesions", "twice"),
        (changed("specimens", 1, lesions=[3]), "specimens[1].lesions", "left lung"),
        (changed("lesions", 0, lobe="lingula"), "lesions[0].lobe", "'lingula'"),
        (changed("lesions", 0, id=2), "lesions[1].id", "twice"),
        (changed("lesions", 0, vdt_days="never"), "lesions[0].vdt_days", "'never'"),
        (changed("lesions", 0, vdt_days=0), "lesions[0].vdt_days", "takes time"),
        ({"planned": "best"}, "planned", "'best'"),
        ({"planned": [4, 9]}, "planned[1]", "9 is not"),
        ({"planned": "all"}, "specimens[2].lesions", "specimen 4 too"),
        ({"planned": [4], "unresectable": [{"lesion": 1, "reason": ""}]}, "specimens[0].lesions", "unresect"),
        ({"unresectable": [{"lesion": 9, "reason": ""}]}, "unresectable[0].lesion", "9 is not"),
        ({"fev1": {"baseline_percent": 95}}, "fev1.lung_ml", "missing"),
        ({"protocol": "lavish"}, "protocol", "conservative, high-volume"),
        (
            {"protocol": INLINE | {"per_operation": INLINE["per_operation"] | {"nodules_max": 0}}},
            "protocol.per_operation.nodules_max",
            "greater than or equal to 1",
        ),
        (
            {"protocol": INLINE | {"assumptions": {"time.nodule": 3.0}}},
            "protocol.assumptions.time.nodule",
            "time.nodule",
        ),
        ({"protocol": "high-volume", "regimen": "petrov-melphalan-5"}, "regimen", "petrov-melphalan-50"),
        ({"protocol": "high-volume", "regimen": "petrov-cisplatin-135"}, "body_surface_m2", "give it"),
        ({"evidence": ["time.nothing"]}, "evidence[0]", "time.nothing"),
        ({"seed": True}, "seed", "True"),
    ],
)
def test_the_error_names_the_field(changes, field, words):
    with pytest.raises(ProblemError, match=words.replace("(", r"\(")) as refused:
        parse_problem(small(**changes))
    assert refused.value.field == field


def places(node, path=()):
    """Every place in a JSON document."""
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


WHOLE = json.loads(
    problem_json(problem([("RUL", 2, 9), ("LLL", 3, 9, 2)], patient=patient(function()), perfused=True))
)
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*places(WHOLE)][1:]), anything, st.booleans())
def test_whatever_stands_anywhere_is_read_or_refused(path, value, remove):
    text = json.dumps(WHOLE)
    changed = json.loads(text)
    node = changed
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    try:
        made = parse_problem(json.dumps(changed))
    except ProblemError:
        return
    assert isinstance(made, StagingProblem)


def test_a_history_on_the_wrong_side_is_refused():
    made = json.loads(problem_json(problem([("RUL", 2, 9)], patient=patient(function()))))
    made["patient"]["earlier"][0]["side"] = "right"
    with pytest.raises(ProblemError, match="LUL is not a lobe") as refused:
        parse_problem(json.dumps(made))
    assert refused.value.field == "patient.earlier[0]"


@pytest.mark.parametrize("text", ["", "[]", "{", "NaN", small().replace("95", "NaN"), "[" * 100000])
def test_what_is_no_problem_at_all_is_refused(text):
    with pytest.raises(ProblemError):
        parse_problem(text)


@pytest.mark.parametrize("content", [None, b"\xff\xfe{"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content):
    if content is not None:
        (tmp_path / "problem.json").write_bytes(content)
    with pytest.raises(ProblemError) as refused:
        read_problem(tmp_path)
    assert refused.value.field == "file"


def test_no_specimen_measure_but_a_finite_one_is_written():
    made = problem([("RUL", 2, 9)])
    odd = replace(made, specimens=replace(made.specimens, reach_mm=np.array([np.inf])))
    assert np.isnan(parse_problem(problem_json(odd)).specimens.reach_mm[0])
