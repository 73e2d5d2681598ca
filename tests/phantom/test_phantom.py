"""The phantom keeps what its specification and its truth promise."""

import dataclasses
import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS
from clearlung.nodules import sphere_volume_mm3
from clearlung.phantom import Phantom, PhantomSpec, make_phantom
from clearlung.phantom.metastases import draw_diameters_mm
from tests.phantom.conftest import TINY


def voxel_of(phantom: Phantom) -> np.ndarray:
    truth = phantom.truth
    points = np.stack([truth.x_mm, truth.y_mm, truth.z_mm], axis=1)
    return np.rint(phantom.scan.volume.indices(points)).astype(int)


def test_the_same_specification_gives_the_same_bits(tiny):
    again = make_phantom(tiny.spec)
    for name in ("lungs", "lobes", "nodules"):
        assert np.array_equal(getattr(tiny, name).array, getattr(again, name).array)
    assert np.array_equal(tiny.scan.volume.array, again.scan.volume.array)
    assert np.array_equal(tiny.truth.x_mm, again.truth.x_mm)
    assert tiny.scan.input_sha256 == again.scan.input_sha256


def test_another_seed_gives_another_patient(tiny):
    other = make_phantom(PhantomSpec(nodules=20, seed=4, shape=TINY))
    assert not np.array_equal(tiny.truth.diameter_mm, other.truth.diameter_mm)
    assert not np.array_equal(tiny.lobes.array, other.lobes.array)
    assert tiny.scan.input_sha256 != other.scan.input_sha256
    published_sizes(other)


def test_the_patient_does_not_depend_on_the_voxels(tiny):
    fine = make_phantom(PhantomSpec(nodules=20, seed=3, shape=(64, 80, 80)))
    for column in ("x_mm", "y_mm", "z_mm", "diameter_mm", "depth_mm", "calcified"):
        assert np.array_equal(getattr(tiny.truth, column), getattr(fine.truth, column))


def test_every_nodule_has_its_label(phantom):
    found = np.unique(phantom.nodules.array)
    assert np.array_equal(found, np.arange(61))
    assert len(phantom.truth) == 60


def test_no_nodules_is_a_phantom_too(empty):
    assert len(empty.truth) == 0
    assert not empty.nodules.array.any()


def test_every_nodule_lies_in_its_lung_and_lobe(phantom):
    z, y, x = voxel_of(phantom).T
    lobes = [LOBE_LABELS[lobe] for lobe in phantom.truth.lobe.tolist()]
    sides = [LUNG_LABELS[side] for side in phantom.truth.side.tolist()]
    # A nodule of less than a voxel may have its center in a voxel that is mostly wall.
    near = [
        set(np.unique(phantom.lobes.array[c - 1 : c + 2, b - 1 : b + 2, a - 1 : a + 2]).tolist())
        for c, b, a in zip(z, y, x, strict=True)
    ]
    assert all(lobe in around for lobe, around in zip(lobes, near, strict=True))
    exact = np.mean(phantom.lobes.array[z, y, x] == lobes)
    assert exact > 0.9
    assert np.mean(phantom.lungs.array[z, y, x] == sides) >= exact


def test_the_right_lung_is_on_the_right(phantom):
    truth = phantom.truth
    assert (truth.x_mm[truth.side == "right"] < 0).all()
    assert (truth.x_mm[truth.side == "left"] > 0).all()
    middle = phantom.scan.volume.shape[2] // 2
    assert (phantom.lungs.array[:, :, :middle] == LUNG_LABELS["left"]).mean() < 1e-3


def test_numbers_go_by_side_lobe_and_from_head_to_feet(phantom):
    rows = list(phantom.truth.rows())
    keys = [(LOBES.index(row["lobe"]), -row["z_mm"]) for row in rows]
    assert keys == sorted(keys)
    assert all(LOBE_SIDES[row["lobe"]] == row["side"] for row in rows)


def test_nodules_keep_apart(phantom):
    truth = phantom.truth
    points = np.stack([truth.x_mm, truth.y_mm, truth.z_mm], axis=1)
    for i, j in itertools.combinations(range(len(truth)), 2):
        apart = np.linalg.norm(points[i] - points[j])
        assert apart > (truth.diameter_mm[i] + truth.diameter_mm[j]) / 2


def test_pleural_nodules_touch_and_the_others_do_not(phantom):
    touching = phantom.touches_pleura
    depth, radius = phantom.truth.depth_mm, phantom.truth.diameter_mm / 2
    assert 0.1 < touching.mean() < 0.5
    # The shapes are uneven: their surface lies within a third of the radius of the sphere's.
    assert (depth[touching] < 1.33 * radius[touching] + 0.8).all()
    assert (depth[~touching] > 0.7 * radius[~touching]).all()


def test_depth_agrees_with_the_distance_in_the_label_map(phantom):
    outside = sitk.GetImageFromArray((phantom.lungs.array == 0).astype(np.uint8))
    outside.SetSpacing(phantom.scan.volume.spacing_mm[::-1])
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(outside, squaredDistance=False, useImageSpacing=True)
    )
    z, y, x = voxel_of(phantom).T
    # The label map leaves out hilar vessels: it can only be nearer there. A voxel is 3 mm wide.
    assert (distance[z, y, x] < phantom.truth.depth_mm + 4.0).all()
    assert np.median(np.abs(distance[z, y, x] - phantom.truth.depth_mm)) < 2.0


def test_some_touch_vessels_and_some_are_calcified(phantom):
    assert 0.05 < phantom.touches_vessel.mean() < 0.5
    assert 0.15 < phantom.truth.calcified.mean() < 0.55
    large = phantom.truth.diameter_mm > 8
    dense = phantom.truth.max_hu > 180
    assert np.mean(dense[large] == phantom.truth.calcified[large]) > 0.8


def test_lobes_partition_the_lungs(phantom):
    lungs, lobes = phantom.lungs.array, phantom.lobes.array
    for lobe in LOBES:
        assert (lungs[lobes == LOBE_LABELS[lobe]] == LUNG_LABELS[LOBE_SIDES[lobe]]).all()
    assert np.array_equal(lungs > 0, lobes > 0)


# Mean and standard deviation of the lobes' shares of the lung volume, supine CT, n = 32 (PMC7490509).
PUBLISHED_SHARES = {
    "RUL": (0.179, 0.024),
    "RML": (0.093, 0.016),
    "RLL": (0.265, 0.026),
    "LUL": (0.231, 0.021),
    "LLL": (0.232, 0.024),
}


def published_sizes(phantom):
    counts = np.bincount(phantom.lobes.array.ravel(), minlength=6)[1:]
    assert 4500 < counts.sum() * phantom.lobes.voxel_ml < 6000
    share = counts / counts.sum()
    assert abs(share[:3].sum() - 0.536) < 0.025
    for lobe, value in zip(LOBES, share, strict=True):
        mean, sd = PUBLISHED_SHARES[lobe]
        assert abs(value - mean) < 2.5 * sd, lobe


def test_lungs_and_lobes_have_published_sizes(phantom, tiny, empty):
    for one in (phantom, tiny, empty):
        published_sizes(one)


def test_each_lung_is_one_piece(phantom):
    for label in LUNG_LABELS.values():
        lung = (phantom.lungs.array == label).astype(np.uint8)
        parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(lung), True))
        sizes = np.sort(np.bincount(parts[parts > 0]))[::-1]
        assert sizes[0] > 0.999 * sizes.sum()


def test_lungs_stay_clear_of_the_edges(phantom):
    occupied = np.argwhere(phantom.lungs.array)
    assert occupied.min() >= 3
    assert (occupied.max(axis=0) <= np.array(phantom.lungs.shape) - 4).all()


def test_attenuation_is_that_of_a_scan(phantom):
    hu = phantom.scan.volume.array
    assert hu.dtype == np.int16
    assert hu.min() == -1024
    assert hu.max() <= 3071
    inside = hu[phantom.lungs.array > 0]
    assert -885 < np.median(inside) < -835
    assert 600 < hu[:, 60:, 50:78].max() < 2000
    assert (hu[:, 0, 0] == -1024).all()


def test_noise_is_as_strong_as_asked_for(empty):
    noisy = make_phantom(dataclasses.replace(empty.spec, noise_hu=30.0))
    center = (slice(8, 40), slice(20, 44), slice(20, 44))
    difference = noisy.scan.volume.array[center].astype(float) - empty.scan.volume.array[center]
    assert 22 < np.std(difference) < 34


def test_sizes_follow_the_wanted_distribution():
    spec = PhantomSpec(nodules=2000)
    diameter = draw_diameters_mm(spec, np.random.default_rng(0))
    assert abs(np.median(diameter) - spec.diameter_median_mm) < 0.2
    assert np.mean((diameter > 2) & (diameter < 8)) > 0.7
    assert 18 < diameter.max() < 28
    assert (np.diff(diameter) <= 0).all()


def test_volume_and_diameter_agree(phantom):
    assert np.allclose(phantom.truth.volume_mm3, sphere_volume_mm3(phantom.truth.diameter_mm))


def test_progress_ends_at_one_and_170_are_all_labeled():
    told = []
    spec = PhantomSpec(nodules=170, shape=TINY)
    phantom = make_phantom(spec, progress=lambda stage, done: told.append((stage, done)))
    shares = [done for _, done in told]
    assert shares == sorted(shares)
    assert told[0][1] == 0.0
    assert told[-1] == ("done", 1.0)
    assert np.array_equal(np.unique(phantom.nodules.array), np.arange(171))


def test_too_much_is_refused_with_its_reason():
    spec = PhantomSpec(nodules=4000, diameter_median_mm=20.0, diameter_log_sd=0.1, shape=TINY)
    with pytest.raises(ValueError, match="no room for a nodule"):
        make_phantom(spec)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodules": -1}, "nodules"),
        ({"shape": (10, 100, 100)}, "shape"),
        ({"noise_hu": -1.0}, "noise_hu"),
        ({"calcified_fraction": 1.5}, "calcified_fraction"),
        ({"pleura_fraction": 0.7, "vessel_fraction": 0.7}, "together"),
        ({"diameter_median_mm": 50.0}, "diameter_median_mm"),
    ],
)
def test_impossible_specifications_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(PhantomSpec(), **changes)
