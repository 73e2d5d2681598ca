"""What one perfusion does about what is unseen in its lobes: sums, and numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from clearlung.anatomy import LOBE_SIDES
from clearlung.evidence import load_evidence
from clearlung.perfusion import Seen, make_regimen, perfuse, reference_lungs, sterilized, tumor_exposure
from clearlung.staging import Basis, Estimates, Unseen, unseen_perfused

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)
SEEN = Seen.listed([2.6, 3.0, 3.5, 4.0, 6.0, 9.0] * 8, ["RUL", "RLL", "RML", "LUL", "LLL", "RUL"] * 8)


@pytest.fixture(scope="module")
def known():
    basis = Basis(Unseen.of(SEEN), {}, 3, None)
    estimates = Estimates()
    return SimpleNamespace(burden=estimates.burden(basis), lobes=estimates.benefit(basis).lobes)


def course(target="right"):
    return perfuse(make_regimen("petrov-melphalan-50", BOOK, target=target), LUNGS, BOOK)


def counted(known, target="right", **when):
    return unseen_perfused(known.burden, known.lobes, course(target), LUNGS, BOOK, **when)


def test_there_are_as_many_as_the_burden_has(known):
    found = counted(known)
    assert found.unseen.mean == pytest.approx(known.burden.count("right").mean())
    assert found.unseen.median == np.median(known.burden.count("right"))
    for one in found.lobes:
        assert LOBE_SIDES[one.lobe] == "right"
        assert one.unseen.mean == pytest.approx(known.burden.count(one.lobe).mean())


@pytest.mark.parametrize("parts", ["lobes", "sizes"])
def test_lobes_and_sizes_add_up(known, parts):
    found = counted(known)
    for name in ("unseen", "left_without", "left", "spared"):
        whole = getattr(found, name).mean
        assert sum(getattr(one, name).mean for one in getattr(found, parts)) == pytest.approx(whole)


def test_what_is_left_is_what_neither_hand_nor_drug_took(known):
    """Row by row from the chances themselves, which the tables of a benefit only interpolate."""
    found, burden, own = counted(known), known.burden, course()
    unseen = burden.by_size[:, [burden.lobes.index(lobe) for lobe in ("RUL", "RML", "RLL")]].sum(axis=1)
    missed = unseen * (1 - burden.felt(burden.diameters_mm))
    exposure = tumor_exposure(own, LUNGS, BOOK, draws=burden.draws, seed=burden.seed)
    kill = sterilized(burden.diameters_mm, exposure, BOOK, drug="melphalan", temperature_c=37, seed=3)
    assert found.left_without.mean == pytest.approx(missed.sum(axis=1).mean(), rel=0.01)
    assert found.left.mean == pytest.approx((missed * (1 - kill)).sum(axis=1).mean(), rel=0.01)
    assert found.spared.mean == pytest.approx((missed * kill).sum(axis=1).mean(), rel=0.02)


def test_a_lobar_target_reaches_its_lobes_alone(known):
    found = counted(known, "left-upper")
    assert [one.lobe for one in found.lobes] == ["LUL"]
    assert found.unseen == found.lobes[0].unseen


def test_later_more_is_felt_and_an_earlier_perfusion_leaves_less(known):
    now, later, again = counted(known), counted(known, week=10), counted(known, week=10, earlier=[2])
    assert later.left_without.mean < now.left_without.mean
    assert again.unseen.mean < later.unseen.mean
    assert again.left.mean < later.left.mean


def test_a_target_of_no_lobe_has_nothing(known):
    assert unseen_perfused(known.burden, {}, course(), LUNGS, BOOK) is None
