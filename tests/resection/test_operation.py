"""Minutes, blood, complications and stay against published operations, and the laws they must keep."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.errors import ProtocolError
from clearlung.evidence import load_evidence
from clearlung.resection import OperationModel

BOOK = load_evidence()
MODEL = OperationModel.from_evidence(BOOK)
DEEP = BOOK.value("time.nodule.deep", unit="min")
MEASURES = ("minutes", "blood_ml", "complication", "stay_days")

laws = settings(max_examples=60, deadline=None, derandomize=True)
minutes = st.lists(st.floats(0, 120), max_size=60)
how = st.fixed_dictionaries(
    {
        "anatomical": st.booleans(),
        "perfused": st.booleans(),
        "reentry": st.booleans(),
        "sides": st.sampled_from([1, 2]),
        "approach": st.sampled_from(["thoracotomy", "bilateral anterior", "sternotomy"]),
    }
)


def value(key):
    return BOOK[key].value


def deep(count, **options):
    return MODEL.estimate([DEEP] * count, count, **options)


def no_less(more, less, measures=MEASURES):
    for measure in measures:
        for bound in ("low", "expected", "high"):
            larger, smaller = (getattr(getattr(e, measure), bound) for e in (more, less))
            assert larger >= smaller - 1e-9 * max(1.0, abs(smaller)), (measure, bound)


# --- Published operations -------------------------------------------------------------------------------


def test_commanders_two_medians():
    assert deep(8, sides=2).minutes.expected == pytest.approx(value("staged.commander.simultaneous_minutes"))
    twice = 2 * deep(8).minutes.expected
    assert twice == pytest.approx(value("staged.commander.staged_minutes"))


def test_the_session_of_forty_two_with_perfusion():
    session = deep(42, perfused=True).minutes
    assert session.expected == pytest.approx(60 * value("staged.record.hours"), rel=0.01)
    straight = value("time.access") + 42 * DEEP + value("time.perfusion")
    assert session.expected < straight < session.high
    assert session.low < 60 * value("staged.record.hours") < session.high


def test_several_hours_for_twenty_eight_are_within_the_interval_only_where_most_are_shallow():
    """The index case's operations, "several hours each": what is expected of deep ones is more."""
    index = deep(28).minutes
    assert index.low < 6 * 60 < index.expected
    shallow = MODEL.estimate([8.0] * 28, 28).minutes
    assert shallow.expected < 6 * 60


def test_the_exponent_of_the_economy_solves_its_equation():
    first = round(value("staged.commander.simultaneous_metastases"))
    left = 60 * value("staged.record.hours") - value("time.access") - value("time.perfusion")

    def excess(exponent):
        places = range(1, round(value("staged.record.metastases")) + 1)
        return sum(min(1.0, (first / k) ** exponent) for k in places) * value("time.nodule.deep") - left

    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    assert value("operation.economy.exponent") == pytest.approx(high, abs=0.0051)


def test_derived_minutes_of_access_follow_from_what_they_name():
    spread = 1.96 * (BOOK["burden.posterolateral.minutes"].high / value("burden.posterolateral.minutes") - 1)
    longer = value("burden.anterior.minutes") - value("burden.posterolateral.minutes")
    assert value("time.anterior_access") == value("time.access") + longer
    for key in ("time.access", "time.anterior_access"):
        entry = BOOK[key]
        assert entry.low == pytest.approx(entry.value * (1 - spread), abs=0.051)
        assert entry.high == pytest.approx(entry.value * (1 + spread), abs=0.051)


def test_complications_are_the_published_ones_at_the_reference():
    reference = round(value("operation.reference.lesions"))
    chance = deep(reference).complication
    rate = BOOK["complication.sarcoma.rate"]
    assert chance.expected == pytest.approx(rate.value / 100)
    # Other series of thoracotomies lie within; that of the laser, and major ones alone, lie below.
    for key in ("younes.rate", "soft_tissue.rate"):
        assert chance.low < value(f"complication.{key}") / 100 < chance.high
    assert value("complication.erlangen.major") / 100 < chance.expected
    assert (value("complication.laser.minor") + value("complication.laser.major")) / 100 < chance.expected


@pytest.mark.parametrize("more", [1, 5, 10])
def test_the_odds_ratios_are_the_published_ones(more):
    def odds(estimate):
        return estimate.complication.expected / (1 - estimate.complication.expected)

    ratio = value("complication.sarcoma.odds_per_nodule")
    assert odds(deep(3 + more)) / odds(deep(3)) == pytest.approx(ratio**more)
    anatomical = value("complication.sarcoma.odds_anatomical")
    assert odds(deep(3, anatomical=True)) / odds(deep(3)) == pytest.approx(anatomical)


def test_stay_is_the_published_one_with_and_without_a_complication():
    few, many = deep(3).stay_days, deep(200).stay_days
    without, with_one = value("complication.sarcoma.stay_without"), value("complication.sarcoma.stay_with")
    rate = value("complication.sarcoma.rate") / 100
    assert few.expected == pytest.approx(without + rate * (with_one - without))
    assert many.expected == pytest.approx(with_one, abs=0.01)
    assert few.low < BOOK["complication.single.stay"].value < few.high


@pytest.mark.parametrize("count", [6, 8, 16])
def test_two_operations_keep_a_patient_about_twice_as_long_as_one_for_both_sides(count):
    """Published totals: 10.6 against 5.2 days (Zarroug), and 14 against 8 (Commander)."""
    staged = 2 * deep(count // 2).stay_days.expected
    assert 1.5 <= staged / deep(count, sides=2).stay_days.expected <= 2.5


# --- Laws -----------------------------------------------------------------------------------------------


@laws
@given(minutes, st.integers(0, 20), how)
def test_bounds_are_in_order_and_chances_are_chances(own, more, options):
    estimate = MODEL.estimate(own, len(own) + more, **options)
    for measure in MEASURES:
        found = getattr(estimate, measure)
        assert 0 <= found.low <= found.expected <= found.high < math.inf
    assert estimate.complication.high <= 1


@laws
@given(minutes, st.floats(0, 120), st.integers(1, 5), how)
def test_a_further_specimen_never_takes_less_of_anything(own, further, lesions, options):
    less = MODEL.estimate(own, len(own), **options)
    no_less(MODEL.estimate([*own, further], len(own) + lesions, **options), less)


@laws
@given(minutes, how)
def test_a_segment_a_lobe_or_an_opened_lung_never_takes_less(own, options):
    for key in ("anatomical", "reentry", "perfused"):
        without, with_it = (MODEL.estimate(own, len(own), **options | {key: yes}) for yes in (False, True))
        no_less(with_it, without)


@laws
@given(minutes, st.randoms())
def test_the_order_of_specimens_makes_no_difference(own, random):
    shuffled = random.sample(own, len(own))
    there = MODEL.estimate(shuffled, len(own))
    for measure in MEASURES:
        found, same = getattr(MODEL.estimate(own, len(own)), measure), getattr(there, measure)
        assert found.expected == pytest.approx(same.expected)


@laws
@given(minutes, minutes)
def test_two_operations_take_longer_in_total_than_one(first, second):
    one = MODEL.estimate(first + second, len(first + second)).minutes
    two = MODEL.estimate(first, len(first)).minutes + MODEL.estimate(second, len(second)).minutes
    assert two.expected > one.expected
    assert two.low > one.low
    assert two.high > one.high


# --- Notes, overriding, errors --------------------------------------------------------------------------


def test_it_says_where_it_extrapolates():
    assert deep(8).notes == ()
    assert any("complications end at 13" in note for note in deep(14).notes)
    assert any("times end at 33" in note for note in deep(34).notes)
    assert any("perfusion" in note for note in deep(1, perfused=True).notes)
    assert any("assumed" in note for note in deep(1, reentry=True).notes)


def test_a_center_may_set_what_is_assumed():
    own = OperationModel.from_evidence(BOOK.overriding({"operation.blood.access": 250, "time.reentry": 45}))
    again = own.estimate([DEEP], 1, reentry=True)
    assert again.minutes.expected - own.estimate([DEEP], 1).minutes.expected == pytest.approx(45)
    assert again.blood_ml.expected - deep(1, reentry=True).blood_ml.expected == pytest.approx(150)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([-1.0], 1), ValueError, "not negative"),
        (([math.nan], 1), ValueError, "finite"),
        (([5.0, 5.0], 1), ValueError, "each specimen"),
        (([5.0], 1, False, False, False, 3), ValueError, "one or two sides"),
        (([5.0], 1, False, False, False, 1, "thoracoscopy"), ProtocolError, "thoracoscopy"),
    ],
)
def test_what_cannot_be_is_refused(arguments, error, says):
    with pytest.raises(error, match=says):
        MODEL.estimate(*arguments)


def test_everything_it_rests_on_is_in_the_book():
    assert all(key in BOOK for key in OperationModel.EVIDENCE)
