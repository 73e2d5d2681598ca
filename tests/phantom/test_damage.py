"""Operated and damaged lungs are what was asked for, and the truth says so."""

import dataclasses
from functools import lru_cache

import numpy as np
import pytest

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS
from clearlung.phantom import PhantomSpec, make_phantom
from clearlung.phantom.operations import OPERATIONS

SMALL = (80, 96, 96)


@lru_cache(maxsize=3)  # two tests look at a lung after the same operation
def made(**changes):
    return make_phantom(PhantomSpec(**{"nodules": 6, "seed": 2, "shape": SMALL, **changes}))


@pytest.fixture(scope="module")
def healthy():
    return made()


def lobe_ml(phantom, lobe):
    return float((phantom.lobes.array == LOBE_LABELS[lobe]).sum()) * phantom.lobes.voxel_ml


@pytest.mark.parametrize("operation", ["left pneumonectomy", "right upper lobectomy", "left lower lobectomy"])
def test_what_was_taken_is_gone_and_the_rest_takes_its_room(healthy, operation):
    phantom = made(operation=operation)
    missing = OPERATIONS[operation].missing
    assert phantom.damage.missing == missing
    present = set(np.unique(phantom.lobes.array).tolist()) - {0}
    assert present == {LOBE_LABELS[lobe] for lobe in LOBES if lobe not in missing}
    for lobe in LOBES:
        if lobe not in missing and LOBE_SIDES[lobe] == LOBE_SIDES[missing[0]]:
            assert lobe_ml(phantom, lobe) > 1.1 * lobe_ml(healthy, lobe)
    assert not set(phantom.truth.lobe.tolist()) & set(missing)
    assert not set(phantom.airway_tree.lobe.tolist()) & set(missing)
    assert not set(phantom.vessel_tree.lobe.tolist()) & set(missing)
    for fissure in phantom.fissures_seen:
        assert len(fissure.lobes) >= 2
        assert not set(fissure.lobes) & set(missing)


def test_after_a_pneumonectomy_fluid_fills_the_side():
    phantom = made(operation="left pneumonectomy")
    assert LUNG_LABELS["left"] not in phantom.lungs.array
    assert set(phantom.hila_mm) == {"right"}
    volume = phantom.scan.volume
    z, y, x = np.rint(volume.indices(np.array([[80.0, 30.0, 10.0]])))[0].astype(int)
    assert -40 < volume.array[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2].mean() < 60
    points = np.array([[80.0, 30.0, 10.0], [-80.0, 30.0, 10.0]])
    assert np.isnan(phantom.depth_mm(points)).tolist() == [True, False]
    assert "left main" in phantom.airway_tree.name


def test_a_lobes_bronchus_ends_as_a_stump():
    tree = made(operation="right upper lobectomy").airway_tree
    (stump,) = np.flatnonzero(tree.name == "stump")
    assert tree.name[tree.parent[stump]] == "right main"
    assert not (tree.parent == stump).any()


def test_fluid_lies_at_the_back_and_displaces_the_lung(healthy):
    phantom = made(effusion_ml=(500.0, 0.0))
    assert phantom.damage.effusion_ml["right"] == pytest.approx(500.0, rel=0.08)
    gone = (healthy.lungs.array > 0) & (phantom.lungs.array == 0)
    assert gone.sum() * phantom.lungs.voxel_ml == pytest.approx(500.0, rel=0.12)
    assert -40 < np.median(phantom.scan.volume.array[gone]) < 60
    y = np.argwhere(gone)[:, 1].mean()
    assert y > np.argwhere(healthy.lungs.array > 0)[:, 1].mean() + 8
    # Hilar vessels, which are outside, run otherwise.
    left = [one.lungs.array == LUNG_LABELS["left"] for one in (phantom, healthy)]
    assert (left[0] != left[1]).sum() < 0.01 * left[1].sum()


def test_emphysema_fills_its_share_more_of_it_at_the_top(healthy):
    phantom = made(emphysema=0.25, noise_hu=5.0)
    assert phantom.damage.emphysema_share == pytest.approx(0.25, abs=0.01)
    inside = phantom.lungs.array > 0
    low = inside & (phantom.scan.volume.array < -950)
    assert 0.13 < low.sum() / inside.sum() < 0.30
    assert np.argwhere(low)[:, 0].mean() > np.argwhere(inside)[:, 0].mean() + 3
    assert np.array_equal(phantom.lungs.array, healthy.lungs.array)


def test_a_consolidation_and_a_mass_belong_to_the_lung(healthy):
    phantom = made(consolidation="RLL", mass_mm=45.0)
    assert np.array_equal(phantom.lungs.array > 0, healthy.lungs.array > 0)
    damage = phantom.damage
    assert damage.consolidated == "RLL"
    assert damage.consolidated_ml == pytest.approx(0.45 * lobe_ml(healthy, "RLL"), rel=0.1)
    solid = (phantom.lungs.array > 0) & (phantom.scan.volume.array > -150)
    plain = (healthy.lungs.array > 0) & (healthy.scan.volume.array > -150)
    more_ml = float(solid.sum() - plain.sum()) * phantom.lungs.voxel_ml
    assert more_ml > 0.6 * (damage.consolidated_ml + damage.mass_ml)
    assert 20 < damage.mass_ml < 48
    # Its center is tissue, and no metastasis hides in it.
    volume = phantom.scan.volume
    z, y, x = np.rint(volume.indices(np.array([damage.mass_mm])))[0].astype(int)
    assert volume.array[z, y, x] > -50
    truth = phantom.truth
    points = np.column_stack([truth.x_mm, truth.y_mm, truth.z_mm])
    assert (np.linalg.norm(points - np.array(damage.mass_mm), axis=1) > 22).all()


def test_wedges_leave_metal_at_the_pleura(healthy):
    phantom = made(operation="wedges", wedges=4, shape=(100, 128, 128))
    assert len(phantom.damage.wedges) == 4
    places = np.array([wedge.place_mm + 3.0 * wedge.inward for wedge in phantom.damage.wedges])
    assert (phantom.depth_mm(places) < 4.0).all()
    volume = phantom.scan.volume
    for wedge in phantom.damage.wedges:
        z, y, x = np.rint(volume.indices((wedge.place_mm + 7.0 * wedge.inward)[None]))[0].astype(int)
        # The voxels are 3 mm wide, and a wire a quarter of one.
        assert volume.array[z - 3 : z + 4, y - 3 : y + 4, x - 3 : x + 4].max() > 0


def test_damages_can_be_combined():
    phantom = made(
        operation="right pneumonectomy",
        effusion_ml=(100.0, 300.0),
        emphysema=0.1,
        realistic=True,
        variety=1.0,
    )
    assert phantom.damage.effusion_ml["right"] == 0.0
    assert phantom.damage.effusion_ml["left"] > 250
    assert set(phantom.truth.side.tolist()) == {"left"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operation": "appendectomy"}, "operation"),
        ({"consolidation": "RXL"}, "consolidation"),
        ({"operation": "left lower lobectomy", "consolidation": "LLL"}, "took the LLL"),
        ({"effusion_ml": (-1.0, 0.0)}, "effusion_ml"),
        ({"emphysema": 0.9}, "emphysema"),
        ({"mass_mm": 500.0}, "mass_mm"),
        ({"mass_at": "heart"}, "mass_at"),
        ({"wedges": 99}, "wedges"),
    ],
)
def test_impossible_damage_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(PhantomSpec(), **changes)


def test_broad_nodules_end_at_the_pleura_and_have_their_volume():
    phantom = made(
        realistic=True, nodules=30, pleura_fraction=0.9, vessel_fraction=0.0, diameter_median_mm=9.0,
        diameter_log_sd=0.2, shape=(160, 180, 180),
    )  # fmt: skip
    truth = phantom.truth
    depth, radius = truth.depth_mm, truth.diameter_mm / 2
    broad = phantom.touches_pleura & (depth < 0.75 * radius)
    assert broad.sum() >= 4
    counts = np.bincount(phantom.nodules.array.ravel(), minlength=31)[1:] * phantom.nodules.voxel_ml * 1000
    assert np.median(np.abs(counts / truth.volume_mm3 - 1)) < 0.15
    assert counts[broad].sum() == pytest.approx(truth.volume_mm3[broad].sum(), rel=0.12)
    # What is labeled lies in the lungs.
    labeled = phantom.nodules.array > 0
    assert (phantom.lungs.array[labeled] > 0).mean() > 0.97
