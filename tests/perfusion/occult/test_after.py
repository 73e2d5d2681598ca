"""What the hand finds, or does not find, changes what is believed to be left."""

import numpy as np
import pytest

from clearlung.perfusion.occult import Findings, occult_burden
from clearlung.perfusion.occult.felt_through import feel_through

RIGHT, LEFT = ("RUL", "RML", "RLL"), ("LUL", "LLL")


def found(count: int, lobes=RIGHT, day=14.0, **kwargs) -> Findings:
    return Findings(day=day, found=dict.fromkeys(lobes, count), **kwargs)


def test_finding_none_lowers_what_is_left_here_and_there(burden):
    after = burden.after(found(0))
    assert after.count("right").mean() < burden.count("right").mean()
    assert after.count("left").mean() < burden.count("left").mean()
    assert after.operations == (found(0),)


def test_finding_many_raises_what_is_believed_of_the_other_lung(burden):
    many, few = burden.after(found(8)), burden.after(found(1))
    assert np.median(many.count("left")) > np.median(few.count("left"))
    assert np.median(many.count("left")) > np.median(burden.count("left"))


def test_what_is_left_in_a_lung_that_was_felt_through_is_small(burden):
    after = burden.after(found(3))
    large = after.diameters_mm > 4
    before = burden.by_size[:, :3][:, :, large].sum(axis=(1, 2)).mean()
    assert after.by_size[:, :3][:, :, large].sum(axis=(1, 2)).mean() < 0.5 * before


def test_a_lobe_that_was_not_examined_keeps_its_own(burden):
    after = burden.after(found(1, lobes=("RUL",)))
    ratio = np.median(after.count("LUL")) / max(np.median(burden.count("LUL")), 1)
    assert ratio > np.median(after.count("RUL")) / max(np.median(burden.count("RUL")), 1)


def test_small_measured_findings_mean_more_unseen_than_large_ones(burden):
    small = burden.after(found(2, lobes=("RUL",), diameters_mm={"RUL": (1.8, 2.0)}))
    large = burden.after(found(2, lobes=("RUL",), diameters_mm={"RUL": (6.0, 7.0)}))
    assert np.mean(small.count("left")) > np.mean(large.count("left"))


def test_a_second_operation_goes_on_from_the_first(burden):
    one = burden.after(found(1))
    two = one.after(found(0, day=60.0))
    assert two.count("right").mean() < one.count("right").mean()
    assert len(two.operations) == 2
    assert (burden.after(found(1), found(0, day=60.0)).by_size == two.by_size).all()
    with pytest.raises(ValueError, match="before the last"):
        two.after(found(0, day=20.0))


def test_later_the_hand_finds_more_of_what_grew(burden):
    assert (burden.felt(burden.diameters_on(60.0)) >= burden.felt(burden.diameters_mm)).all()


def test_two_operations_are_thinned_poisson_numbers(burden):
    """Against chances multiplied out size by size."""
    case, rng = burden.case, np.random.default_rng(1)
    hidden = rng.random((3, len(case.axis.diameters_mm)))
    growth, half = np.array([0.01, 0.02, 0.03]), np.array([2.5, 2.7, 3.0])
    operations = (found(1, day=0.0), found(2, lobes=("RUL",), day=50.0))
    felt = feel_through(operations, case.lobes, hidden, growth, half, case.axis, case.palpation)
    first = case.palpation.chance(case.axis.diameters_mm, half[:, None])
    grown = case.axis.diameters_mm * np.exp(growth * 50 / 3)[:, None]
    second = case.palpation.chance(grown, half[:, None])
    missed = (1 - first) * (1 - second)
    assert felt.left[0] == pytest.approx(missed)
    assert felt.left[1] == pytest.approx(1 - first)
    assert felt.left[3].max() == 1
    assert felt.expected[:, 0] == pytest.approx((hidden * (1 - missed)).sum(axis=1))
    assert felt.found.tolist() == [3, 1, 1, 0, 0]


def test_the_update_agrees_with_keeping_the_draws_that_explain_it(seen, curve, book):
    """Brute force: of very many draws, those in which a simulated hand finds just as many."""
    many = occult_burden(seen, curve, book, draws=20_000, seed=9)
    rng = np.random.default_rng(4)
    operation = found(1, lobes=("RUL", "RLL"))
    chance = many.felt(many.diameters_on(operation.day))
    right = many.by_size[:, [0, 2]].astype(int)
    taken = rng.binomial(right, chance[:, None])
    explains = (taken.sum(axis=2) == 1).all(axis=1)
    left = many.count() - taken.sum(axis=(1, 2))
    kept = left[explains]
    assert len(kept) > 500
    after = occult_burden(seen, curve, book).after(operation).count()
    for share in (0.25, 0.5, 0.75):
        expected = np.quantile(kept, share)
        assert np.quantile(after, share) == pytest.approx(expected, rel=0.15, abs=1.5)


def test_findings_that_make_no_sense_are_refused(burden):
    for wrong in (
        {"day": -1, "found": {}},
        {"day": 1, "found": {"RUL": -1}},
        {"day": 1, "found": {"RUL": 1.5}},
        {"day": 1, "found": {"XYZ": 1}},
        {"day": 1, "found": {"RUL": 1}, "diameters_mm": {"RUL": (2.0, 3.0)}},
        {"day": 1, "found": {"RUL": 1}, "diameters_mm": {"RUL": (0.0,)}},
    ):
        with pytest.raises(ValueError, match=r"give|must be|diameters"):
            Findings(**wrong)
