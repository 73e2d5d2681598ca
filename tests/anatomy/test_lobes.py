from dataclasses import replace

import numpy as np
import pytest

from clearlung.anatomy import LOBE_LABELS, LOBES, BranchTree
from clearlung.anatomy.lobes import ALL_PRESENT, find_lobes
from clearlung.ct import Volume
from clearlung.phantom import make_phantom, varied_spec

SHAPE = (160, 204, 204)


@pytest.fixture(scope="module")
def phantom():
    spec = replace(varied_spec(3, nodules=8, shape=SHAPE), fissure_completeness=(0.9, 0.7, 0.9), breath=1.0)
    return make_phantom(spec)


@pytest.fixture(scope="module")
def found(phantom):
    return find_lobes(phantom.scan.volume, phantom.lungs.array)


def dice(found, truth):
    scores = {}
    for lobe, label in LOBE_LABELS.items():
        a, b = found == label, truth == label
        scores[lobe] = 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
    return scores


def test_lobes_are_those_of_the_phantom(phantom, found):
    scores = dice(found.lobes, phantom.lobes.array)
    assert np.mean(list(scores.values())) > 0.95, scores
    assert min(scores.values()) > 0.90, scores


def test_every_voxel_of_the_lungs_has_a_lobe_a_second_one_and_a_confidence(phantom, found):
    inside = phantom.lungs.array > 0
    for array in (found.lobes, found.second, found.confidence):
        assert (array[inside] > 0).all()
        assert not array[~inside].any()
    assert (found.lobes[inside] != found.second[inside]).all()
    right = phantom.lungs.array == 1
    assert set(np.unique(found.lobes[right])) == set(np.unique(found.second[right])) == {1, 2, 3}
    assert found.confidence.max() <= 1.0


def test_wrong_lobes_are_unsure_ones_and_name_the_right_one_second(phantom, found):
    inside = phantom.lungs.array > 0
    wrong = inside & (found.lobes != phantom.lobes.array)
    assert np.median(found.confidence[wrong]) < 0.9
    assert (found.second[wrong] == phantom.lobes.array[wrong]).mean() > 0.9
    sure = inside & (found.confidence > 0.95)
    assert sure.sum() > 0.7 * inside.sum()
    assert (found.lobes[sure] == phantom.lobes.array[sure]).mean() > 0.99


def test_confidence_does_not_fall_away_from_the_fissure(phantom, found):
    columns = found.confidence[:, :, :][:, ::6, ::6], found.lobes[:, ::6, ::6]
    confidence, lobes = columns
    checked = 0
    for j, i in np.argwhere((lobes == LOBE_LABELS["LLL"]).sum(axis=0) > 10):
        lower = np.flatnonzero(lobes[:, j, i] == LOBE_LABELS["LLL"])
        if np.count_nonzero(lobes[:, j, i] == LOBE_LABELS["LUL"]) < 5 or np.ptp(lower) >= lower.size:
            continue
        down = confidence[lower[::-1], j, i].astype(float)
        # A place of larger error further down may take back some of it.
        assert (np.diff(down) > -0.1).all()
        assert down[0] < down[-1] + 1e-6
        checked += 1
    assert checked > 20


def test_incomplete_fissures_say_so(phantom, found):
    assert [f.name for f in found.fissures] == ["right oblique", "right horizontal", "left oblique"]
    for fissure, truth in zip(found.fissures, phantom.patient.fissures_seen, strict=True):
        assert fissure.lobes == truth.lobes
        assert fissure.seen_share <= truth.seen_share + 0.1
        assert fissure.seen_share > truth.seen_share - 0.5


def test_the_airway_tree_and_the_vessels_do_no_harm(phantom, found):
    truth = phantom.lobes.array
    helped = find_lobes(phantom.scan.volume, phantom.lungs.array, phantom.airway_tree, phantom.vessels.array)
    scores, alone = dice(helped.lobes, truth), dice(found.lobes, truth)
    assert min(scores.values()) > 0.90, scores
    assert np.mean(list(scores.values())) > np.mean(list(alone.values())) - 0.01
    empty = find_lobes(phantom.scan.volume, phantom.lungs.array, BranchTree.empty())
    assert (empty.lobes == found.lobes).all()


def test_thick_slices_are_divided_too(phantom):
    hu = phantom.scan.volume.array.astype(np.float32)
    pairs = (hu[0::2] + hu[1::2]) / 2
    z, y, x = phantom.scan.volume.spacing_mm
    ct = Volume.at(np.round(pairs).astype(np.int16), (2 * z, y, x))
    thick = find_lobes(ct, np.ascontiguousarray(phantom.lungs.array[::2]))
    scores = dice(thick.lobes, phantom.lobes.array[::2])
    assert np.mean(list(scores.values())) > 0.92, scores


def test_a_mirrored_chest_has_mirrored_upper_and_lower_lobes(phantom, found):
    volume = phantom.scan.volume
    mirrored = volume.with_array(np.ascontiguousarray(volume.array[:, :, ::-1]))
    lungs = np.array([0, 2, 1], dtype=np.uint8)[phantom.lungs.array[:, :, ::-1]]
    back = find_lobes(mirrored, lungs).lobes[:, :, ::-1]
    for lobe, other in (("RLL", "LLL"), ("LLL", "RLL")):
        a, b = back == LOBE_LABELS[other], found.lobes == LOBE_LABELS[lobe]
        assert 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)) > 0.97


def test_one_lung_is_divided_alone(phantom, found):
    lungs = np.where(phantom.lungs.array == 2, np.uint8(2), np.uint8(0))
    alone = find_lobes(phantom.scan.volume, lungs)
    left = lungs > 0
    assert (alone.lobes[left] == found.lobes[left]).all()
    assert [f.name for f in alone.fissures] == ["left oblique"]


@pytest.mark.parametrize(
    ("left_over", "fissures"),
    [
        (("RUL", "RLL"), ["right oblique"]),
        (("RML", "RLL"), ["right oblique"]),
        (("RUL", "RML"), ["right horizontal"]),
        (("RLL",), []),
    ],
)
def test_only_the_lobes_that_are_left_are_given(phantom, left_over, fissures):
    lungs = np.where(phantom.lungs.array == 1, np.uint8(1), np.uint8(0))
    operated = find_lobes(phantom.scan.volume, lungs, present={**ALL_PRESENT, "right": left_over})
    assert set(np.unique(operated.lobes)) == {0, *(LOBE_LABELS[lobe] for lobe in left_over)}
    assert [f.name for f in operated.fissures] == fissures
    assert operated.fissures == () or operated.fissures[0].lobes == left_over
    if not fissures:
        assert (operated.confidence[lungs > 0] == 1).all()
        assert not operated.second.any()


@pytest.mark.parametrize("size", [1, 4, 12])
def test_a_scrap_of_lung_is_no_trouble(size):
    lungs = np.zeros((20, 30, 30), dtype=np.uint8)
    lungs[5 : 5 + size, 5 : 5 + size, 5 : 5 + size] = 1
    found = find_lobes(Volume.at(np.full(lungs.shape, -850, dtype=np.int16), (2.0, 1.0, 1.0)), lungs)
    assert ((found.lobes > 0) == (lungs > 0)).all()
    assert np.isfinite(found.confidence).all()


def test_arrays_of_another_grid_are_refused(phantom):
    with pytest.raises(ValueError, match=r"lungs have the shape \(2, 2, 2\)"):
        find_lobes(phantom.scan.volume, np.zeros((2, 2, 2), dtype=np.uint8))


def test_all_lobes_are_listed_once():
    assert ALL_PRESENT["right"] + ALL_PRESENT["left"] == LOBES
