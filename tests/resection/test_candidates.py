"""Specimens and margins against shapes whose volumes and distances are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.evidence import load_evidence
from clearlung.resection import MarginRule, make_candidates, make_techniques
from clearlung.resection.beds import try_bed_or_wedge
from clearlung.resection.grid import Grid
from clearlung.resection.groups import neighbor_groups
from clearlung.resection.workshop import Workshop

from .chests import LUNG_FROM, block_lung, table, tube

BOOK = load_evidence()
PLEURA = LUNG_FROM - 0.5
LASER, CAUTERY, WEDGE = make_techniques(["laser", "cautery", "wedge"], BOOK)


@pytest.fixture(scope="module")
def anatomy():
    return block_lung()


def shop(anatomy, centers, radius=4):
    nodules = table(anatomy, centers, radius)
    return Workshop.of(Grid(anatomy, nodules, nodules.labels.array, None), BOOK)


def cut(anatomy, centers, radius=4, technique=LASER, rows=(0,)):
    work = shop(anatomy, centers, radius)
    found = tuple(rows)
    while isinstance(found, tuple):  # a wedge takes the lesions that it runs into
        found = try_bed_or_wedge(work, technique, found)
    return found


def ml(specimen):
    return float(specimen.lobe_ml.sum())


@pytest.mark.parametrize("radius", [2, 4, 8])
@pytest.mark.parametrize("shift", [(0, 0, 0), (0.3, 0.1, 0.45)])
def test_a_deep_enucleation_is_the_sphere_with_its_rim(anatomy, radius, shift):
    specimen = cut(anatomy, [(45 + shift[0], 45 + shift[1], 33 + shift[2])], radius)
    assert ml(specimen) == pytest.approx(4 / 3 * np.pi * (radius + 5) ** 3 / 1000, rel=0.05)
    (margin,) = specimen.margins
    assert margin.planned_mm == 5
    assert margin.margin_mm == pytest.approx(5, abs=0.5)
    assert specimen.reach_mm == pytest.approx(33 + shift[2] - PLEURA + radius + 5, abs=1)


@pytest.mark.parametrize("step", [(2.5, 0.7, 0.7), (1.0, 0.8, 0.8)])
def test_voxels_need_not_be_cubes(step):
    lungs = block_lung(tuple(int(90 / s) for s in step), step)
    specimen = cut(lungs, [(45.0, 45.0, 45.0)], 5)
    assert ml(specimen) == pytest.approx(4 / 3 * np.pi * 10**3 / 1000, rel=0.08)
    assert specimen.margins[0].margin_mm == pytest.approx(5, abs=0.5 * max(step))


@pytest.mark.parametrize("depth", [-1.0, 3.5, 6.5])
def test_an_enucleation_at_the_pleura_is_a_ball_cut_by_a_plane(anatomy, depth):
    """The pleura is no cut: the margin there is what lies to the sides and below."""
    specimen = cut(anatomy, [(45, 45, PLEURA + depth)])
    radius, height = 9.0, max(0.0, 9.0 - depth)
    cap = np.pi * height**2 * (3 * radius - height) / 3
    assert ml(specimen) == pytest.approx((4 / 3 * np.pi * radius**3 - cap) / 1000, rel=0.05)
    assert specimen.margins[0].margin_mm == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("depth", [0.5, 10.5, 20.5])
def test_a_wedge_is_a_half_ball_and_all_above_it(anatomy, depth):
    specimen = cut(anatomy, [(45, 45, PLEURA + depth)], technique=WEDGE)
    assert WEDGE.margin_mm(8.0) == 8
    assert ml(specimen) == pytest.approx(WEDGE.sphere_ml(8.0, depth), rel=0.05)
    box, taken = specimen.piece.box, specimen.piece.mask
    at_pleura = taken[:, :, LUNG_FROM - box[2].start]
    assert at_pleura.sum() == pytest.approx(np.pi * 12**2, rel=0.08), "its base is as wide as the tumor's rim"


def test_an_enucleation_does_not_reach_the_pleura(anatomy):
    specimen = cut(anatomy, [(45, 45, 40)])
    assert not specimen.piece.mask[:, :, : max(0, LUNG_FROM - specimen.piece.box[2].start + 1)].any()


@pytest.mark.parametrize("apart", [9, 12, 18])
def test_two_in_one_bed_are_the_capsule_around_both(anatomy, apart):
    centers = [(45, 45, 40), (45, 45, 40 + apart)]
    specimen = cut(anatomy, centers, rows=(0, 1))
    capsule = np.pi * 9**2 * apart + 4 / 3 * np.pi * 9**3
    assert ml(specimen) == pytest.approx(capsule / 1000, rel=0.05)
    for margin in specimen.margins:
        assert margin.margin_mm == pytest.approx(5, abs=0.5)


def test_a_bed_stops_midway_to_a_lesion_that_stays(anatomy):
    """Their surfaces are 4 mm apart: the cut between them leaves each 2 mm."""
    centers = [(45, 45, 40), (45, 45, 52)]
    specimen = cut(anatomy, centers)
    assert specimen.margins[0].margin_mm == pytest.approx(2, abs=0.75)
    assert specimen.margins[0].clear > 0.95
    box = specimen.piece.box
    labels = table(anatomy, centers, 4).labels.array[box]
    assert not (specimen.piece.mask & (labels == 2)).any()
    assert (specimen.piece.mask | (labels != 1)).all()


def test_a_wedge_takes_what_lies_on_its_way(anatomy):
    specimen = cut(anatomy, [(45, 45, 30), (45, 47, 14)], 3, technique=WEDGE)
    assert specimen.rows == (0, 1)


def test_a_wedge_too_deep_or_too_large_is_refused(anatomy):
    assert cut(anatomy, [(45, 45, 45)], technique=WEDGE) == "wedge would reach 39 mm deep, limit 30 mm"
    assert cut(anatomy, [(45, 45, 30)], 16, technique=WEDGE) == (
        "wedge is for 30 mm at most, and it is 32 mm"
    )


@pytest.mark.parametrize("technique", [LASER, CAUTERY, WEDGE])
def test_a_wider_margin_never_removes_less(anatomy, technique):
    before = 0
    for rim in (1.0, 2.5, 5.0, 7.5, 10.0):
        wider = replace(technique, margin=MarginRule(rim, rim, 1, 2))
        specimen = cut(anatomy, [(45, 45, 24)], technique=wider)
        assert np.count_nonzero(specimen.piece.mask) > before
        before = np.count_nonzero(specimen.piece.mask)


@given(
    center=st.tuples(*[st.floats(12, 78)] * 3),
    radius=st.floats(1.5, 7),
    technique=st.sampled_from([LASER, CAUTERY, WEDGE]),
)
def test_nothing_outside_the_lung_is_ever_removed(center, radius, technique):
    lungs = block_lung()
    specimen = cut(lungs, [center], radius, technique=technique)
    if isinstance(specimen, str):
        return
    assert (lungs.lungs.array[specimen.piece.box][specimen.piece.mask] == 1).all()
    assert specimen.lobe_ml[2] == pytest.approx(ml(specimen))


def test_the_lobes_give_what_lies_in_them():
    """A fissure at y = 45 through the lesion's center: half of the ball on each side."""
    lobes = np.full((90, 90, 90), 3, dtype=np.uint8)
    lobes[:, :45] = 1
    specimen = cut(block_lung(lobes=lobes), [(45, 44.5, 45)])
    assert specimen.lobe_ml[0] == pytest.approx(specimen.lobe_ml[2])
    assert specimen.lobe_ml[1] == 0


def test_a_vessel_through_a_bed_is_cut_twice_and_one_that_ends_in_it_once():
    through = tube((45, 20, 47), (45, 70, 47), 3.0)
    ends = tube((45, 20, 47), (45, 45, 47), 2.0)
    specimen = cut(block_lung(vessel_tree=through, airway_tree=ends), [(45, 45, 45)])
    assert [(c.kind, round(c.diameter_mm, 2)) for c in specimen.cuts] == [
        ("vessel", 3.0),
        ("vessel", 3.0),
        ("bronchus", 2.0),
    ]


def test_a_bed_is_dissected_along_a_vessel_that_must_not_be_cut():
    """Its wall, 10 mm wide around x = 57, lies 3 mm from the lesion's surface."""
    lungs = block_lung(vessel_tree=tube((45, 5, 57), (45, 85, 57), 10.0))
    specimen = cut(lungs, [(45, 45, 45)])
    assert not specimen.cuts
    assert specimen.margins[0].margin_mm == pytest.approx(3, abs=0.75)
    assert specimen.margins[0].planned_mm == 5


def test_a_lesion_within_such_a_vessel_is_refused():
    lungs = block_lung(vessel_tree=tube((45, 5, 49), (45, 85, 49), 10.0))
    assert cut(lungs, [(45, 45, 45)]) == "laser enucleation would cut a vessel of 10 mm, limit 8 mm"


def test_what_looks_like_a_vessel_and_is_the_lesion_refuses_nothing():
    """Vessels are found before nodules: a bright ball on a vessel looks like a wide part of it."""
    lungs = block_lung(vessel_tree=tube((45, 41, 45), (45, 49, 45), 9.0))
    assert not isinstance(cut(lungs, [(45, 45, 45)]), str)


def test_a_row_of_staples_keeps_off_such_a_vessel():
    lungs = block_lung(vessel_tree=tube((45, 5, 38), (45, 85, 38), 10.0))
    assert not isinstance(cut(lungs, [(45, 45, 18)], technique=WEDGE), str)
    assert cut(lungs, [(45, 45, 24)], technique=WEDGE) == "wedge would cut a vessel of 10 mm, limit 8 mm"


def test_what_breathes_is_counted_by_its_density(anatomy):
    nodules = table(anatomy, [(45, 45, 45)], 4)
    hu = np.full(anatomy.lungs.shape, -850, dtype=np.int16)
    hu[nodules.labels.array > 0] = 40
    hu[:, :45] = -960
    candidates = make_candidates(nodules, anatomy, ["laser"], BOOK, anatomy.lungs.with_array(hu))
    box, taken = candidates.mask(0)
    breathes = taken & (hu[box] == -850)
    assert candidates.functional_ml[0] == pytest.approx(np.count_nonzero(breathes) / 1000)
    assert 0.3 < candidates.functional_ml[0] / candidates.volume_ml[0] < 0.6
    assert np.isnan(make_candidates(nodules, anatomy, ["laser"], BOOK).functional_ml).all()


def test_a_lobe_goes_with_all_that_it_holds_and_the_rim_of_what_crosses_its_fissure():
    lobes = np.full((90, 90, 90), 3, dtype=np.uint8)
    lobes[:, :45] = 1
    lungs = block_lung(lobes=lobes, airway_tree=tube((45, 60, 80), (45, 50, 60), 6.0))
    nodules = table(lungs, [(45, 60, 45), (45, 46, 20), (45, 20, 45)], 4)
    candidates = make_candidates(nodules, lungs, ["lobectomy"], BOOK)
    lower = candidates.lesions.index((1, 2))
    assert candidates.lesions[1 - lower] == (3,)
    lobe_ml = np.count_nonzero(lungs.lobes.array == 3) / 1000
    # The second lesion reaches 2.5 mm beyond the fissure; its rim of 3 mm goes too.
    height = 2.5 + 3.0
    cap = np.pi * height**2 * (3 * 7 - height) / 3 / 1000
    assert candidates.lobe_ml[lower, 2] == pytest.approx(lobe_ml)
    assert candidates.lobe_ml[lower, 0] == pytest.approx(cap, rel=0.1)
    assert candidates.closure.tolist() == ["stump", "stump"]


def test_a_lobes_margin_is_to_its_stump():
    """The bronchus enters the lobe's lower end: the cut is where it crosses the lung's border."""
    stump = (45, 45, 87)
    lungs = block_lung(airway_tree=tube((45, 45, 89), (45, 45, 70), 6.0))
    nodules = table(lungs, [(45, 45, 50)], 4)
    (margins,) = make_candidates(nodules, lungs, ["lobectomy"], BOOK).margins
    assert margins[0].margin_mm == pytest.approx(stump[2] - 50 - 4, abs=1.5)


def test_the_rim_grows_with_the_metastasis_between_published_values():
    assert [LASER.margin_mm(d) for d in (3, 10, 18, 30, 50)] == [5, 5, 5, 8, 8]
    assert [CAUTERY.margin_mm(d) for d in (3, 7, 30)] == [5, 7, 10]
    assert [LASER.needed(d) for d in (5, 20, 40)] == [3, 5.5, 8]


def test_several_in_one_specimen_take_less_time_than_alone():
    assert LASER.minutes(20, 3) < 3 * LASER.minutes(20)
    assert LASER.minutes(0) == 5
    assert LASER.minutes(30) == LASER.minutes(55) == 26.25


def test_groups_are_what_could_share_a_specimen():
    rng = np.random.default_rng(0)
    places, radius, margin = rng.uniform(0, 80, (60, 3)), rng.uniform(2, 5, 60), np.full(60, 5.0)
    groups = neighbor_groups(places, radius, margin, 30.0)
    assert len(groups) == len(set(groups))
    for group in groups:
        for i in group:
            for j in group:
                apart = np.linalg.norm(places[i] - places[j])
                assert i == j or apart + radius[i] + radius[j] <= 30.0
    meet = {
        (i, j)
        for i in range(60)
        for j in range(i + 1, 60)
        if (apart := np.linalg.norm(places[i] - places[j])) <= radius[i] + radius[j] + 10
        and apart + radius[i] + radius[j] <= 30
    }
    assert meet <= set(groups)
    clusters = set(groups) - meet
    assert len(clusters) < 60
