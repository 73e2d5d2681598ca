"""What the hand finds, or does not find, changes what is believed to be left."""

import numpy as np
import pytest
from scipy.stats import poisson

from clearlung.perfusion.occult import Findings

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
    with pytest.raises(ValueError, match="before the last"):
        two.after(found(0, day=20.0))


def test_later_the_hand_finds_more_of_what_grew(burden):
    assert (burden.felt_on(60.0) >= burden.felt_on(0.0)).all()


def test_the_likelihood_is_that_of_thinned_poisson_numbers(burden):
    """Against a direct computation, for one lobe, with scipy's Poisson probabilities."""
    particles = burden.particles
    logs = particles.explained(found(2, lobes=("RLL",)), (), burden.lobes)
    expected = (particles.hidden * particles.felt(14.0)).sum(axis=1)
    expected *= particles.number * particles.shares[:, burden.lobes.index("RLL")]
    direct = poisson.logpmf(2, expected)
    differences = logs - direct
    likely = direct > -30
    assert np.ptp(differences[likely]) < 1e-6


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
