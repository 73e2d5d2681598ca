"""Earlier resections: what comes back, what is gone, and what is refused."""

import math

import pytest
from benchmarks.function_series import model_of

from clearlung.anatomy import LOBES
from clearlung.evidence import load_evidence
from clearlung.resection import (
    CourseStep,
    EarlierResection,
    LungFunction,
    PatientFunction,
    extrapolations,
    lobe_volumes,
    operated,
    with_history,
)

BOOK = load_evidence()
FEV1 = model_of("fev1")


def patient(*earlier):
    lungs = LungFunction(FEV1, model_of("dlco"), 0.53, "ct volume")
    return PatientFunction(lungs, lobe_volumes(5000.0, BOOK), earlier=earlier)


def test_a_recent_operation_gives_back_what_the_model_says_it_took():
    """The measured value and what follows are those of a course that began before."""
    loss = FEV1.loss(0.0, perfused=False)
    weeks = 8.0
    whole = [(0.0, loss)]
    measured = FEV1.percent(whole, weeks)
    later = with_history(model_of("fev1"), [EarlierResection("right", "wedge", weeks_ago=weeks)])
    for after in (0.0, 4.0, 40.0):
        expected = FEV1.percent(whole, weeks + after) / measured
        assert later.percent([], after) / later.baseline_percent == pytest.approx(expected)


def test_specimens_of_one_day_and_side_are_one_operation_and_two_sides_are_two():
    one = EarlierResection("right", "wedge", weeks_ago=4.0)
    other = EarlierResection("left", "wedge", weeks_ago=4.0)
    alone, same, both = (with_history(FEV1, x).unrecovered for x in ([one], [one, one], [one, other]))
    assert alone == same
    assert sum(both) > 2 * sum(alone)


def test_what_is_long_past_or_has_no_date_comes_back_no_more():
    assert with_history(FEV1, [EarlierResection("left", "lobectomy", "LUL")]).unrecovered == (0.0, 0.0)
    old = with_history(FEV1, [EarlierResection("left", "wedge", weeks_ago=1000.0)])
    assert sum(old.unrecovered) < 1e-6
    assert with_history(FEV1, []) == FEV1


@pytest.mark.parametrize(
    ("earlier", "gone"),
    [
        ([], [0, 0, 0, 0, 0]),
        ([EarlierResection("right", "lobectomy", "RUL")], [3, 0, 0, 0, 0]),
        ([EarlierResection("left", "segmentectomy", "LUL", segments=2)], [0, 0, 0, 2, 0]),
        ([EarlierResection("left", "lobectomy", "LLL"), EarlierResection("left", "wedge", "LLL", segments=1)],
         [0, 0, 0, 0, 4]),
        ([EarlierResection("right", "wedge", removed_ml=100)], [0, 0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_segments_that_are_gone(earlier, gone):
    assert patient(*earlier).gone_segments(BOOK).tolist() == gone


def test_a_volume_is_its_share_of_the_lobe_as_it_was():
    lobe_ml = dict(zip(LOBES, lobe_volumes(5000.0, BOOK), strict=True))["RLL"]
    gone = patient(EarlierResection("right", "wedge", "RLL", removed_ml=lobe_ml)).gone_segments(BOOK)
    assert gone.sum() == pytest.approx(2.5)


def test_a_chest_that_was_opened():
    earlier = [EarlierResection("right", "laser")]
    assert operated(earlier, "right")
    assert not operated(earlier, "left")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"technique": "saw"}, "saw"),
        ({"lobe": "LLL"}, "not a lobe of the right"),
        ({"segments": -1}, "segments"),
        ({"weeks_ago": math.nan}, "weeks_ago"),
        ({"removed_ml": math.inf}, "removed_ml"),
    ],
)
def test_an_impossible_resection_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        EarlierResection(**{"side": "right", "technique": "wedge", **change})


def step(side="right", specimens=3, bedded_ml=20.0, perfused=False):
    return CourseStep(side, specimens, bedded_ml, perfused)


@pytest.mark.parametrize(
    ("steps", "earlier", "says"),
    [
        ([step(), step("left")], [], []),
        ([step(specimens=13)], [], ["dozens of specimens"]),
        ([step(bedded_ml=310.0)], [], ["6.2 % of the lungs"]),
        ([step(), step(), step()], [], ["so many operations: 3 on the right"]),
        ([step(), step()], [EarlierResection("right", "wedge")], ["3 on the right"]),
        ([step(perfused=True), step("left", perfused=True)], [], ["Both lungs are perfused"]),
        ([step(perfused=True)], [EarlierResection("left", "laser", perfused=True)], ["Both lungs"]),
    ],
)
def test_it_says_where_it_extrapolates(steps, earlier, says):
    found = extrapolations(steps, 5000.0, BOOK, earlier)
    assert len(found) == len(says)
    assert all(words in sentence for words, sentence in zip(says, found, strict=True))
