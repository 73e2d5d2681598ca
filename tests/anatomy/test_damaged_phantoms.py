"""From damaged lungs to their anatomy and conditions, against what the phantom was made with."""

import numpy as np
import pytest

from clearlung.anatomy import LUNG_LABELS, segment_anatomy
from clearlung.phantom import PhantomSpec, make_phantom
from tests.anatomy.bodies import cropped

SHAPE = (160, 200, 200)
LOBECTOMY = PhantomSpec(
    nodules=6, seed=4, shape=SHAPE, operation="right upper lobectomy", effusion_ml=(0.0, 400.0)
)
MASS = PhantomSpec(nodules=6, seed=6, shape=SHAPE, mass_mm=50.0, mass_at="wall")


def anatomy_of(spec):
    phantom = make_phantom(spec)
    return phantom, segment_anatomy(phantom.scan)


def by_code_and_side(anatomy):
    return {(condition.code, condition.side): condition for condition in anatomy.conditions}


def dice(phantom, anatomy, side):
    label = LUNG_LABELS[side]
    true, found = phantom.lungs.array == label, anatomy.full_lungs(phantom.scan.volume.shape) == label
    return 2 * np.count_nonzero(true & found) / (np.count_nonzero(true) + np.count_nonzero(found))


@pytest.fixture(scope="module")
def after_lobectomy():
    return anatomy_of(LOBECTOMY)


@pytest.fixture(scope="module")
def with_mass():
    return anatomy_of(MASS)


def test_a_lobe_that_was_removed_is_told_and_gets_no_voxels(after_lobectomy):
    phantom, anatomy = after_lobectomy
    told = by_code_and_side(anatomy)
    assert told["earlier_lobectomy", "right"].lobes == ("RUL",)
    assert anatomy.lobe_ml("RUL") == 0
    for lobe, label in (("RML", 2), ("RLL", 3)):
        true_ml = np.count_nonzero(phantom.lobes.array == label) * phantom.lobes.voxel_ml
        assert anatomy.lobe_ml(lobe) == pytest.approx(true_ml, rel=0.1)
    assert set(told) == {("earlier_lobectomy", "right"), ("effusion", "left")}


def test_an_effusion_is_measured_and_is_no_lung(after_lobectomy):
    phantom, anatomy = after_lobectomy
    true_ml = phantom.damage.effusion_ml["left"]
    assert 0.6 * true_ml < by_code_and_side(anatomy)["effusion", "left"].value < 1.1 * true_ml
    assert dice(phantom, anatomy, "left") > 0.97


def test_one_lung_with_emphysema_says_so(one_lung):
    phantom, anatomy = one_lung
    told = by_code_and_side(anatomy)
    assert {("one_lung", "left"), ("emphysema", "right")} == set(told)
    assert anatomy.lung_ml("left") == 0
    assert dice(phantom, anatomy, "right") > 0.98
    share = 100 * phantom.damage.emphysema_share
    assert 0.5 * share < told["emphysema", "right"].value < 1.5 * share


def test_a_mass_at_the_ribs_is_in_the_lung(with_mass):
    phantom, anatomy = with_mass
    told = by_code_and_side(anatomy)
    side = "left" if phantom.damage.mass_mm[0] > 0 else "right"
    assert set(told) == {("dense_lung", side)}
    assert told["dense_lung", side].value == pytest.approx(phantom.damage.mass_ml, rel=0.35)
    assert dice(phantom, anatomy, side) > 0.98


@pytest.mark.parametrize(
    ("part", "words"), [(slice(70, None), "towards the feet"), (slice(None, 120), "towards the head")]
)
def test_a_scan_that_stops_short_is_segmented_and_says_so(with_mass, part, words):
    anatomy = segment_anatomy(cropped(with_mass[0].scan, z=part))
    told = by_code_and_side(anatomy)
    for side in LUNG_LABELS:
        assert words in told["cut_off", side].text
    assert {code for code, _ in told} <= {"cut_off", "dense_lung"}
