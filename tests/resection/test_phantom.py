"""Specimens of a synthetic patient, whose lungs and metastases are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from clearlung.anatomy import LUNG_LABELS
from clearlung.evidence import load_evidence
from clearlung.resection import MarginRule, make_candidates, prepare_excision
from clearlung.resection.techniques import TECHNIQUES

BOOK = load_evidence()
EVERY = tuple(TECHNIQUES)


@pytest.fixture(scope="module")
def anatomy(healthy_anatomy):
    return healthy_anatomy


@pytest.fixture(scope="module")
def nodules(healthy, anatomy):
    labels = healthy.nodules.crop(anatomy.box)
    array = np.ascontiguousarray(labels.array, dtype=np.int32)
    return healthy.truth.with_columns(labels=labels.with_array(array))


@pytest.fixture(scope="module")
def excision(healthy, anatomy, nodules):
    return prepare_excision(nodules, anatomy, EVERY, BOOK, healthy.scan.volume)


def painted(excision, anatomy):
    """Number of the chosen specimens that take each voxel."""
    times = np.zeros(anatomy.lungs.shape, dtype=np.uint8)
    for number in excision.specimens.candidate.tolist():
        box, mask = excision.candidates.mask(number - 1)
        times[box] += mask
    return times


def test_every_metastasis_is_in_one_specimen_and_wholly_removed(excision, anatomy, nodules):
    specimens = excision.specimens
    held = sorted(i for group in specimens.lesions for i in group)
    assert held == sorted(set(nodules.id.tolist()) - set(specimens.unresectable))
    gone = painted(excision, anatomy) > 0
    for lesion in held:
        mask = (nodules.labels.array == lesion) & (anatomy.lungs.array > 0)
        assert gone[mask].all(), f"tumor of lesion {lesion} stays"


def test_only_lung_is_removed_and_each_specimen_from_its_own(excision, anatomy):
    candidates = excision.candidates
    for row in range(len(candidates)):
        box, mask = candidates.mask(row)
        lungs = anatomy.lungs.array[box][mask]
        assert (lungs == LUNG_LABELS[str(candidates.side[row])]).all(), candidates.technique[row]
        assert candidates.volume_ml[row] == pytest.approx(np.count_nonzero(mask) * anatomy.lungs.voxel_ml)
        assert candidates.lobe_ml[row].sum() == pytest.approx(candidates.volume_ml[row])
        assert candidates.functional_ml[row] <= candidates.volume_ml[row]


def test_tissue_adds_up_to_what_goes(excision, anatomy):
    gone_ml = np.count_nonzero(painted(excision, anatomy)) * anatomy.lungs.voxel_ml
    assert excision.specimens.volume_ml.sum() == pytest.approx(gone_ml)


def test_a_margin_is_the_distance_to_the_nearest_lung_that_stays(excision, anatomy, nodules):
    """Measured anew by a distance transform of the whole lung for single enucleations."""
    candidates = excision.candidates
    single = [
        row
        for row, group in enumerate(candidates.lesions)
        if candidates.technique[row] == "laser" and len(group) == 1
    ][:6]
    spacing = anatomy.lungs.spacing_mm
    for row in single:
        box, mask = candidates.mask(row)
        wide = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
        taken = np.zeros(anatomy.lungs.array[wide].shape, dtype=bool)
        taken[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True))] = (
            mask
        )
        stays = (anatomy.lungs.array[wide] == LUNG_LABELS[str(candidates.side[row])]) & ~taken
        tumor = nodules.labels.array[wide] == candidates.lesions[row][0]
        away = ndimage.distance_transform_edt(~tumor, sampling=spacing)
        (margin,) = candidates.margins[row]
        assert margin.margin_mm <= away[stays].min() + 1e-3
        assert margin.margin_mm >= away[stays].min() - 0.5 * max(spacing)


def test_a_wider_rim_never_removes_less(monkeypatch, anatomy, nodules):
    """Of every lesion alone; wider beds may be refused where they reach too deep."""
    before: dict[tuple[int, ...], float] = {}
    laser = TECHNIQUES["laser"]
    for rim in (3.0, 5.0, 8.0):
        wider = MarginRule(rim, rim, 1.0, 2.0)
        monkeypatch.setitem(TECHNIQUES, "laser", lambda book, wider=wider: replace(laser(book), margin=wider))
        candidates = make_candidates(nodules, anatomy, ["laser"], BOOK)
        for group, ml in zip(candidates.lesions, candidates.volume_ml.tolist(), strict=True):
            assert ml >= before.get(group, 0.0) - 1e-9
            before[group] = ml


def test_the_order_of_the_nodules_makes_no_difference(anatomy, nodules):
    shuffled = nodules.take(np.random.default_rng(0).permutation(len(nodules)))
    one, other = (
        prepare_excision(n, anatomy, ["laser", "wedge"], BOOK).specimens for n in (nodules, shuffled)
    )
    assert one.volume_ml.sum() == pytest.approx(other.volume_ml.sum())
    assert sorted(one.lesions) == sorted(tuple(sorted(g)) for g in other.lesions)
