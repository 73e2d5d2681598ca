"""Which assumption matters: against functions whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    Assumption,
    assumptions_of,
    edema_risk,
    move_evidence,
    one_at_a_time,
    variance_shares,
)

BOOK = load_evidence()


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=6))
def test_of_a_sum_each_swing_is_its_weight_and_the_widest_comes_first(weights):
    names = [f"a{i}" for i in range(len(weights))]
    found = one_at_a_time(
        lambda at: sum(w * at[n] for w, n in zip(weights, names, strict=True)),
        [Assumption(name, -1, 0, 1) for name in names],
    )
    assert [one.swing for one in found] == pytest.approx(sorted((2 * abs(w) for w in weights), reverse=True))
    by_name = {one.name: one for one in found}
    for weight, name in zip(weights, names, strict=True):
        assert (by_name[name].outcome_low, by_name[name].outcome_high) == pytest.approx((-weight, weight))


def test_the_order_of_the_assumptions_does_not_matter():
    given_ = [Assumption("a", 0, 1, 2), Assumption("b", 0, 1, 2), Assumption("c", 0, 1, 3)]
    outcome = lambda at: at["a"] * at["b"] + at["c"]  # noqa: E731
    assert one_at_a_time(outcome, given_) == one_at_a_time(outcome, given_[::-1])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([Assumption("a", 2, 1, 3)], "not in order"),
        ([Assumption("a", 0, 1, 2), Assumption("a", 0, 1, 2)], "one name"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(PerfusionError, match=says):
        one_at_a_time(lambda at: at["a"], wrong)


def test_an_outcome_that_is_not_finite_is_refused():
    with pytest.raises(PerfusionError, match="must be finite"):
        one_at_a_time(lambda at: at["a"] * np.inf, [Assumption("a", 0, 1, 2)])


def test_shares_of_a_sum_are_those_of_the_variances():
    rng = np.random.default_rng(7)
    a, b, c = rng.normal(size=(3, 20_000))
    found = {share.name: share for share in variance_shares({"a": a, "b": b, "c": c}, 3 * a - b)}
    assert found["a"].variance == pytest.approx(0.9, abs=0.02)
    assert found["b"].variance == pytest.approx(0.1, abs=0.02)
    assert found["c"].variance == pytest.approx(0, abs=0.01)
    assert found["a"].rank_correlation > 0.9
    assert found["b"].rank_correlation < -0.2


def test_shares_of_the_ishigami_function():
    # Ishigami and Homma 1990 with a = 7, b = 0.1: first-order indices 0.314, 0.442, 0.
    rng = np.random.default_rng(8)
    x = rng.uniform(-np.pi, np.pi, size=(3, 40_000))
    y = np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])
    found = {s.name: s.variance for s in variance_shares({"x1": x[0], "x2": x[1], "x3": x[2]}, y)}
    assert [found[f"x{i}"] for i in (1, 2, 3)] == pytest.approx([0.314, 0.442, 0.0], abs=0.02)


def test_what_does_not_vary_has_no_share():
    y = np.random.default_rng(1).random(500)
    assert variance_shares({"a": np.ones(500)}, y)[0].variance == 0
    assert variance_shares({"a": y}, np.ones(500))[0].variance == 0


def test_too_few_or_unequal_draws_are_refused():
    with pytest.raises(PerfusionError, match="400 or more"):
        variance_shares({"a": np.ones(10)}, np.ones(10))
    with pytest.raises(PerfusionError, match="draws"):
        variance_shares({"a": np.ones(10)}, np.ones(500))


def test_entries_of_the_evidence_are_moved_over_their_range():
    keys = ["edema.prior.volume_power", "edema.leiden.dose", "edema.phase1.patients"]

    def risk(book):
        return edema_risk(
            drug="melphalan", dose_mg=50, temperature_c=37, perfused_ml=1, reference_ml=2, book=book
        ).interval.median

    found = move_evidence(risk, BOOK, keys)
    assert found[0].evidence == "edema.prior.volume_power"
    assert (found[0].low_value, found[0].high_value) == (0, 1)
    # Only the drug per volume counts, against only the drug in all.
    assert found[0].outcome_low > found[0].outcome_high


def test_what_is_published_or_has_no_range_is_not_moved():
    with pytest.raises(PerfusionError, match="only what is assumed"):
        assumptions_of(BOOK, ["toxicity.edema37.interstitial"])
    with pytest.raises(PerfusionError, match="no range"):
        assumptions_of(BOOK, ["edema.prior.rate"])
