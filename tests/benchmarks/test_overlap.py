"""The agreement of outlines from their votes is what counting pair by pair gives."""

from itertools import combinations

import numpy as np
import pytest
from benchmarks.overlap import agreement_of_votes, agreement_with_majority, dice


@pytest.fixture(params=[2, 4, 9])
def outlines(request):
    rng = np.random.default_rng(request.param)
    z, y, x = np.indices((20, 20, 20)) - 9.5
    wobble = rng.normal(0, 0.6, (request.param, 4))
    return [(z + w[0]) ** 2 + (y + w[1]) ** 2 + (x + w[2]) ** 2 < (6 + w[3]) ** 2 for w in wobble]


def test_pooled_over_the_pairs(outlines):
    pairs = list(combinations(outlines, 2))
    common = sum(np.count_nonzero(a & b) for a, b in pairs)
    sizes = sum(np.count_nonzero(a) + np.count_nonzero(b) for a, b in pairs)
    votes = np.sum(outlines, axis=0)
    assert agreement_of_votes(votes, len(outlines)) == pytest.approx(2 * common / sizes)
    mean = np.mean([dice(a, b) for a, b in pairs])
    assert agreement_of_votes(votes, len(outlines)) == pytest.approx(mean, abs=0.01)


def test_with_the_majority(outlines):
    votes = np.sum(outlines, axis=0)
    majority = votes * 2 >= len(outlines)
    common = sum(np.count_nonzero(a & majority) for a in outlines)
    sizes = sum(np.count_nonzero(a) + np.count_nonzero(majority) for a in outlines)
    assert agreement_with_majority(votes, len(outlines)) == pytest.approx(2 * common / sizes)


def test_equal_outlines_agree_wholly():
    votes = np.array([0, 3, 3, 0])
    assert agreement_of_votes(votes, 3) == 1.0
    assert agreement_with_majority(votes, 3) == 1.0


def test_one_outline_agrees_with_none():
    with pytest.raises(ValueError, match="two outlines"):
        agreement_of_votes(np.array([1]), 1)
