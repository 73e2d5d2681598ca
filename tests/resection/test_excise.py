"""Which specimens are chosen, and that their tissue is counted once."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from clearlung.errors import ProtocolError
from clearlung.evidence import load_evidence
from clearlung.nodules import COLUMNS, NoduleTable
from clearlung.resection import (
    Choice,
    candidate_costs,
    choose,
    excise,
    make_candidates,
    make_techniques,
    prepare_excision,
)

from .chests import block_lung, sphere, table

BOOK = load_evidence()


@pytest.fixture(scope="module")
def anatomy():
    return block_lung()


def cut(anatomy, centers, radius=4, techniques=("laser",)):
    return excise(table(anatomy, centers, radius), anatomy, techniques, BOOK)


def test_tissue_shared_by_neighbors_is_counted_once(anatomy):
    """The bed of each is a ball of 9 mm; 16 mm apart and shallow, one bed for both would not pay."""
    centers = [(45, 37, 20), (45, 53, 20)]
    together = cut(anatomy, centers)
    union = ndimage.distance_transform_edt(~(sphere(centers[0], 4) | sphere(centers[1], 4))) <= 5.25
    assert together.volume_ml.sum() == pytest.approx(union.sum() / 1000)
    assert together.volume_ml[0] == pytest.approx(together.volume_ml[1], rel=0.02)
    assert together.lobe_ml.sum(axis=1) == pytest.approx(together.volume_ml)


def test_volumes_add_up_to_the_exact_union_however_many_overlap(anatomy):
    rng = np.random.default_rng(3)
    centers = rng.uniform(20, 70, (14, 3))
    nodules = table(anatomy, centers, rng.uniform(2, 4, 14))
    excision = prepare_excision(nodules, anatomy, ["laser", "wedge"], BOOK)
    specimens = excision.specimens
    rows = [int(k) - 1 for k in specimens.candidate]
    assert specimens.volume_ml.sum() == pytest.approx(excision.candidates.union_ml(rows, 0.001))
    assert specimens.volume_ml.sum() < excision.candidates.volume_ml[rows].sum()


def test_specimens_that_do_not_meet_add_up(anatomy):
    far = cut(anatomy, [(25, 45, 45), (65, 45, 45)]).volume_ml
    alone = [cut(anatomy, [c]).volume_ml[0] for c in [(25, 45, 45), (65, 45, 45)]]
    assert far == pytest.approx(alone)


def test_order_of_the_nodules_makes_no_difference(anatomy):
    centers = [(45, 45, 40), (45, 45, 49), (30, 45, 45), (60, 30, 30)]
    forth, back = cut(anatomy, centers), cut(anatomy, centers[::-1])
    assert forth.volume_ml.sum() == pytest.approx(back.volume_ml.sum())
    assert sorted(forth.technique) == sorted(back.technique)


def test_a_mirrored_lung_gives_the_same(anatomy):
    centers = [(45, 45, 40), (45, 48, 49), (30, 20, 45), (60, 30, 15)]
    mirrored = [(z, 89 - y, x) for z, y, x in centers]
    one, other = (cut(anatomy, c, techniques=("laser", "wedge")) for c in (centers, mirrored))
    assert one.volume_ml == pytest.approx(other.volume_ml)
    assert one.reach_mm == pytest.approx(other.reach_mm)
    assert one.lesions == other.lesions


def test_neighbors_share_a_bed_where_that_costs_no_more(anatomy):
    """Alone each bed would stop midway, 1 mm from either; together both get their whole rim."""
    specimens = cut(anatomy, [(45, 45, 40), (45, 45, 50)])
    assert specimens.lesions == ((1, 2),)
    assert specimens.margin_low_mm[0] > 4


def test_what_nothing_fits_is_unresectable_with_the_reason():
    listed = table(block_lung(), [(45, 45, 45)], 4).with_columns(depth_mm=np.array([70.0]))
    specimens = excise(listed, None, ["laser", "wedge"], BOOK)
    assert len(specimens) == 0
    assert "79 mm deep, limit 60 mm" in specimens.unresectable[1]
    assert "wedge would reach 74 mm" in specimens.unresectable[1]


def test_what_nothing_smaller_fits_takes_its_lobe(anatomy):
    """A wedge reaches 30 mm; the lesion's far side lies at 39."""
    specimens = cut(anatomy, [(45, 45, 45)], techniques=("wedge", "lobectomy"))
    assert specimens.technique.tolist() == ["lobectomy"]
    assert specimens.forced == {1: "wedge would reach 39 mm deep, limit 30 mm"}
    assert not specimens.unresectable
    assert specimens.anatomical.tolist() == [True]
    assert specimens.volume_ml[0] == pytest.approx(np.count_nonzero(anatomy.lobes.array == 3) / 1000)


def test_beds_beyond_the_tested_depths_are_told_apart(anatomy):
    """The floor lies a radius of 4 mm and a rim of 5 mm below the center: 14, 18 and 24 mm deep."""
    nodules = table(anatomy, [(30, 45, 45), (45, 45, 45), (60, 45, 45)], 4)
    nodules = nodules.with_columns(depth_mm=np.array([5.0, 9.0, 15.0]))
    assert excise(nodules, None, ["laser"], BOOK).closure.tolist() == ["airtight", "suture", "untested"]
    assert excise(nodules, None, ["wedge"], BOOK).closure.tolist() == ["staples"] * 3


def test_no_nodules_give_no_specimens(anatomy):
    empty = table(anatomy, [(45, 45, 45)], 4)
    nothing = NoduleTable(**{name: getattr(empty, name)[:0] for name in COLUMNS}, labels=empty.labels)
    for lungs in (anatomy, None):
        assert len(excise(nothing, lungs, ["laser", "lobectomy"], BOOK)) == 0


def test_an_unknown_technique_is_named(anatomy):
    with pytest.raises(ProtocolError, match="'spoon' is not one of laser"):
        cut(anatomy, [(45, 45, 45)], techniques=("spoon",))


def test_leaving_one_out_is_cutting_the_others_anew(anatomy):
    """Neighbors share tissue, and get it back."""
    centers = [(45, 45, 30), (45, 45, 42), (45, 58, 36), (20, 20, 60)]
    nodules = table(anatomy, centers, [5, 4, 3, 4])
    whole = prepare_excision(nodules, anatomy, ["laser", "wedge"], BOOK)
    for row in range(4):
        rest = np.delete(np.arange(4), row)
        anew = excise(nodules.take(rest), anatomy, ["laser", "wedge"], BOOK)
        left = whole.without([int(nodules.id[row])])
        assert sorted(i for g in left.lesions for i in g) == sorted(i for g in anew.lesions for i in g)
        # A bed that stopped short of the lesion that is left out may now go its whole way.
        assert left.volume_ml.sum() == pytest.approx(anew.volume_ml.sum(), rel=0.1)


def partitions(groups, lesions):
    """Every way to hold each lesion exactly once."""
    for count in range(len(groups) + 1):
        for chosen in combinations(range(len(groups)), count):
            held = [i for k in chosen for i in groups[k]]
            if sorted(held) == sorted(lesions):
                yield chosen


@pytest.mark.parametrize("seed", range(6))
def test_the_choice_is_the_cheapest_of_all(anatomy, seed):
    rng = np.random.default_rng(seed)
    nodules = table(anatomy, rng.uniform(25, 60, (4, 3)), rng.uniform(2, 4, 4))
    candidates = make_candidates(nodules, anatomy, ["laser"], BOOK)
    cost = candidate_costs(candidates, BOOK) + rng.uniform(0, 3, len(candidates))
    found = choose(candidates, cost)
    least = min(cost[list(p)].sum() for p in partitions(candidates.lesions, nodules.id.tolist()))
    assert found.proven
    assert found.cost == pytest.approx(least)
    assert cost[found.rows].sum() == pytest.approx(least)


def test_a_choice_states_its_gap():
    assert Choice(np.zeros(0, dtype=np.int64), 10.0, 9.0).gap == pytest.approx(0.1)
    assert not Choice(np.zeros(0, dtype=np.int64), 10.0, 9.0).proven


@given(diameter=st.floats(1, 30), depth=st.floats(0, 60), wider=st.floats(0, 20))
def test_a_larger_or_deeper_lesion_never_takes_less(diameter, depth, wider):
    for technique in make_techniques(["laser", "cautery", "wedge"], BOOK):
        volume = technique.sphere_ml(diameter, depth)
        assert technique.sphere_ml(diameter + wider, depth) >= volume - 1e-9
        assert technique.sphere_ml(diameter, depth + wider) >= volume - 1e-9
        assert technique.minutes(depth + wider) >= technique.minutes(depth)
        assert volume >= 0
