"""Guidelines: the classes that they give, at every branch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.errors import ProtocolError
from clearlung.evidence import load_evidence
from clearlung.resection import RULE_SETS, Exercise, FunctionModel, Level, Predicted, apply_rules

BOOK = load_evidence()


def judge(name, fev1, dlco, *, before=100.0, low=None, predicted=None, **exercise):
    def level(ppo):
        return Level(before, ppo, ppo if low is None else low, predicted)

    return apply_rules(
        name,
        fev1=level(fev1),
        dlco=None if dlco is None else level(dlco),
        exercise=Exercise(**exercise),
        book=BOOK,
    )


@pytest.mark.parametrize(
    ("fev1", "dlco", "exercise", "risk", "step"),
    [
        (61, 61, {}, "low", "no further"),
        (45, 61, {}, "undetermined", "stair climb or shuttle walk"),
        (61, 45, {}, "undetermined", "stair climb or shuttle walk"),
        (60, 61, {}, "undetermined", "stair climb or shuttle walk"),
        (29, 61, {}, "undetermined", "cardiopulmonary"),
        (61, 29, {}, "undetermined", "cardiopulmonary"),
        (30, 61, {}, "undetermined", "stair climb or shuttle walk"),
        (45, 61, {"stair_climb_m": 22}, "low", "no further"),
        (45, 61, {"stair_climb_m": 21}, "undetermined", "cardiopulmonary"),
        (45, 61, {"shuttle_walk_m": 401}, "low", "no further"),
        (45, 61, {"shuttle_walk_m": 400}, "undetermined", "cardiopulmonary"),
        (45, 61, {"stair_climb_m": 22, "shuttle_walk_m": 300}, "undetermined", "cardiopulmonary"),
        (29, 61, {"stair_climb_m": 30}, "undetermined", "cardiopulmonary"),
        (45, 61, {"vo2_ml_kg_min": 9.9}, "high", "less resection"),
        (29, 61, {"vo2_ml_kg_min": 9.9}, "high", "less resection"),
        (61, 61, {"vo2_percent": 34}, "high", "less resection"),
        (29, 61, {"vo2_ml_kg_min": 10}, "moderate", "no further"),
        (29, 61, {"vo2_ml_kg_min": 20}, "low", "no further"),
        (29, 61, {"vo2_ml_kg_min": 20, "vo2_percent": 60}, "moderate", "no further"),
        (45, 61, {"vo2_ml_kg_min": 15}, "moderate", "no further"),
        (61, None, {}, "undetermined", "measure DLCO"),
    ],
)
def test_accp(fev1, dlco, exercise, risk, step):
    verdict = judge("accp-2013", fev1, dlco, **exercise)
    assert verdict.risk == risk
    assert step in verdict.next_step


@pytest.mark.parametrize(
    ("before", "ppo", "exercise", "risk", "step"),
    [
        (81, 40, {}, "low", "no further"),
        (80, 40, {}, "undetermined", "cardiopulmonary"),
        (70, 40, {"vo2_ml_kg_min": 9.9}, "high", "less resection"),
        (70, 40, {"vo2_percent": 34}, "high", "less resection"),
        (70, 31, {"vo2_ml_kg_min": 15}, "moderate", "no further"),
        (70, 30, {"vo2_ml_kg_min": 15}, "high", "less resection"),
        (70, 25, {"vo2_ml_kg_min": 21}, "low", "no further"),
        (70, 25, {"vo2_ml_kg_min": 21, "vo2_percent": 70}, "high", "less resection"),
    ],
)
def test_ers_ests(before, ppo, exercise, risk, step):
    verdict = judge("ers-ests-2009", ppo, ppo, before=before, **exercise)
    assert verdict.risk == risk
    assert step in verdict.next_step


@pytest.mark.parametrize(
    ("ppo", "exercise", "risk"),
    [
        (41, {}, "low"),
        (40, {}, "undetermined"),
        (35, {"shuttle_walk_m": 401}, "moderate"),
        (35, {"shuttle_walk_m": 400}, "undetermined"),
        (35, {"shuttle_walk_m": 300, "vo2_ml_kg_min": 15}, "moderate"),
        (35, {"vo2_ml_kg_min": 14}, "high"),
    ],
)
def test_bts_rests_on_assumed_thresholds_and_says_so(ppo, exercise, risk):
    verdict = judge("bts-2010", ppo, ppo, **exercise)
    assert verdict.risk == risk
    assert verdict.assumed


def test_the_older_rule_counts_liters():
    assert judge("older", 30, None, predicted=2.6).risk == "high"
    assert judge("older", 31, None, predicted=2.6).risk == "low"
    assert judge("older", 31, None).risk == "undetermined"


def test_the_lower_bound_may_be_in_another_class():
    verdict = judge("accp-2013", 65, 65, low=29)
    assert (verdict.risk, verdict.at_low.risk) == ("low", "undetermined")
    assert "cardiopulmonary" in verdict.at_low.next_step
    assert not verdict.assumed


def test_an_unknown_rule_set_is_refused_by_name():
    with pytest.raises(ProtocolError, match="accp-2013") as caught:
        judge("accp", 50, 50)
    assert caught.value.field == "function.rule_set"


ORDER = {"low": 0, "moderate": 1, "undetermined": 2, "high": 3}


@given(
    name=st.sampled_from(sorted(RULE_SETS)),
    ppo=st.floats(0, 120),
    more=st.floats(0, 50),
    vo2=st.none() | st.floats(5, 30),
    walk=st.none() | st.floats(0, 800),
)
def test_more_function_is_never_a_higher_risk(name, ppo, more, vo2, walk):
    tests = {"vo2_ml_kg_min": vo2, "shuttle_walk_m": walk, "predicted": 2.8, "before": 70.0}
    worse, better = judge(name, ppo, ppo, **tests), judge(name, ppo + more, ppo + more, **tests)
    assert ORDER[better.risk] <= ORDER[worse.risk]
    assert all(key in BOOK for key in worse.evidence)


def test_the_lowest_of_all_predictions_is_judged():
    model = FunctionModel.from_evidence(
        BOOK, "fev1", percent=90, predicted=3.0, lung_ml=5000, confidence=0.95
    )
    predictions = [
        Predicted("fev1", "course", 70, 55, 85, error_assumed=True),
        Predicted("fev1", "segments", 62, 57, 77, error_assumed=True),
        Predicted("dlco", "course", 10, 1, 20, error_assumed=True),
    ]
    assert Level.cautious(model, predictions) == Level(90, 62, 55, 3.0)
