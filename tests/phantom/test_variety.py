"""Varied patients: shares, breath and fissures are as asked for."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from clearlung.anatomy import LOBE_LABELS, LOBES
from clearlung.phantom import PhantomSpec, make_phantom, varied_spec
from clearlung.phantom.body import make_body
from clearlung.phantom.fissures import make_sheets
from clearlung.phantom.variety import draw_variety

SMALL = (80, 96, 96)
COMPLETENESS = (0.75, 0.4, 0.9)


def body_of(seed, amount=1.0, breath=1.0):
    variety = draw_variety(amount, np.random.default_rng(seed))
    return make_body(np.random.default_rng(seed), variety, breath)


def lungs_ml(body):
    return sum(np.count_nonzero(lung.array < 0) for lung in body.lungs.values()) * 8e-3


def shares(body):
    volumes = np.array([np.count_nonzero(body.lobe(lobe).array < 0) for lobe in LOBES])
    return volumes / volumes.sum()


@pytest.fixture(scope="module")
def bodies():
    return [body_of(seed) for seed in range(4)]


def test_people_differ_in_size_lobes_and_fissures(bodies):
    volumes = np.array([lungs_ml(body) for body in bodies])
    assert (volumes > 2800).all()
    assert (volumes < 7500).all()
    assert volumes.std() > 200
    spread = np.std([shares(body) for body in bodies], axis=0)
    assert (spread > 0.008).all()
    assert (spread < 0.06).all()


def test_the_lungs_keep_clear_of_the_field_of_view(bodies):
    for body in bodies:
        inside = np.minimum(body.lungs["right"].array, body.lungs["left"].array) < 0
        occupied = np.argwhere(inside) * body.skin.step_mm
        assert occupied.min() >= 6
        assert ((np.array(inside.shape) - 1) * body.skin.step_mm - occupied.max(axis=0) >= 6).all()


def test_no_variety_is_the_average_patient():
    average = make_body(np.random.default_rng(5))
    same = body_of(5, 0.0)
    assert np.array_equal(same.lungs["left"].array, average.lungs["left"].array)
    assert np.array_equal(same.fissures["RML"].array, average.fissures["RML"].array)


def test_a_shallow_breath_leaves_its_share_of_the_air(bodies):
    full, less = bodies[3], body_of(3, breath=0.75)
    assert less.inflation == pytest.approx(0.75, abs=0.02)
    assert lungs_ml(less) == pytest.approx(lungs_ml(full) * less.inflation, rel=1e-6)
    # The diaphragm rises; the apex stays.
    assert bottom_mm(less) > bottom_mm(full) + 4
    assert abs(top_mm(less) - top_mm(full)) < 3


def bottom_mm(body):
    z = np.flatnonzero((body.lungs["right"].array < 0).sum(axis=(1, 2)) > 500)
    return float(z[0]) * body.skin.step_mm


def top_mm(body):
    return float(np.argwhere(body.lungs["right"].array < 0)[:, 0].max()) * body.skin.step_mm


@pytest.fixture(scope="module")
def whole():
    return make_phantom(PhantomSpec(nodules=0, seed=2, shape=SMALL, noise_hu=0.0, variety=1.0))


def test_a_shallow_breath_keeps_the_tissue(whole):
    masses = []
    for phantom in (whole, make_phantom(dataclasses.replace(whole.spec, breath=0.75))):
        inside = phantom.lungs.array > 0
        # The rim holds a part of the wall, more of it the larger the lungs are.
        core = ndimage.binary_erosion(inside)
        density = (phantom.scan.volume.array[core].mean() + 1000) / 1000
        masses.append(density * inside.sum() * phantom.lungs.voxel_ml)
    assert masses[1] == pytest.approx(masses[0], rel=0.05)


def test_fissures_are_there_to_the_share_asked_for(bodies):
    body = bodies[1]
    sheets = make_sheets(body.lungs, body.fissures, body.frame, COMPLETENESS, np.random.default_rng(0))
    for sheet, share in zip(sheets, COMPLETENESS, strict=True):
        layer = sheet.layer()
        there = sheet.thickness.array[layer] > 0.5
        assert there.mean() == pytest.approx(share, abs=0.01)
        assert sheet.complete_share == pytest.approx(share, abs=0.01)


def test_what_is_missing_lies_towards_the_hilum(bodies):
    body = bodies[1]
    for sheet in make_sheets(body.lungs, body.fissures, body.frame, COMPLETENESS, np.random.default_rng(0)):
        layer = sheet.layer()
        x = np.broadcast_to(np.abs(sheet.surface.axes_mm()[2]), layer.shape)
        there = sheet.thickness.array > 0.5
        assert x[layer & ~there].mean() < x[layer & there].mean()


def test_a_missing_fissure_is_not_drawn_and_its_lobes_stay(whole):
    a, b = whole, make_phantom(dataclasses.replace(whole.spec, fissure_completeness=(0.0, 0.0, 0.0)))
    assert np.array_equal(a.lobes.array, b.lobes.array)
    brighter = a.scan.volume.array.astype(int) - b.scan.volume.array
    assert (brighter > 5).sum() > 500
    assert [fissure.seen_share for fissure in b.fissures_seen] == [0.0, 0.0, 0.0]
    assert [fissure.seen_share for fissure in a.fissures_seen] == [1.0, 1.0, 1.0]
    # A few vessels cross where nothing parts the lobes.
    assert 3 <= len(b.vessel_tree) - len(a.vessel_tree) < 300


def test_the_cohort_is_the_same_each_time_and_differs_within():
    specs = [varied_spec(seed) for seed in range(20)]
    assert specs == [varied_spec(seed) for seed in range(20)]
    assert len({spec.breath for spec in specs}) > 15
    assert min(spec.breath for spec in specs) < 0.82
    assert any(min(spec.fissure_completeness) < 0.6 for spec in specs)
    assert any(spec.blood_hu > 100 for spec in specs)
    assert any(spec.blood_hu < 60 for spec in specs)
    assert all(spec.nodules == 170 and spec.shape == (400, 512, 512) for spec in specs)


def test_a_varied_patient_has_the_same_bits_each_time(varied):
    first, again = varied, make_phantom(varied.spec)
    for name in ("lungs", "lobes", "nodules"):
        assert np.array_equal(getattr(first, name).array, getattr(again, name).array)
    assert np.array_equal(first.scan.volume.array, again.scan.volume.array)
    assert set(np.unique(first.lobes.array).tolist()) == {0, *LOBE_LABELS.values()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variety": 2.0}, "variety"),
        ({"breath": 0.2}, "breath"),
        ({"fissure_completeness": (1.0, 2.0, 1.0)}, "fissure_completeness"),
    ],
)
def test_impossible_patients_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(PhantomSpec(), **changes)
