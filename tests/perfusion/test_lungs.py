"""Lungs of a known size and density are demanded back; published ones have the published shares."""

from dataclasses import replace

import numpy as np
import pytest

from clearlung.anatomy import LOBES, Anatomy
from clearlung.ct import AxisOrder, Scan, Volume
from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.nodules import NoduleTable
from clearlung.perfusion import TARGETS, LungVolumes, lungs_of_scan, reference_lungs, tissue_ml, volume_ml

BOOK = load_evidence()
SPACING = (2.0, 1.0, 1.0)
LOBE_ML = 2.0


def slabs(hu_of_label):
    """One slab of 2 ml per lobe, each of one density."""
    lobes = np.concatenate([np.full((10, 10, 10), label, dtype=np.uint8) for label in hu_of_label])
    hu = np.concatenate([np.full((10, 10, 10), hu, dtype=np.int16) for hu in hu_of_label.values()])
    grid = Volume.at(lobes, SPACING)
    lungs = np.where(lobes > 3, 2, 1).astype(np.uint8)
    flat = grid.with_array(np.zeros(lobes.shape, dtype=np.float32))
    box = tuple(slice(0, n) for n in lobes.shape)
    return hu, Anatomy(box, grid.with_array(lungs), grid, flat, flat, "by hand")


def scan_of(hu):
    return Scan(Volume.at(hu, SPACING), AxisOrder(), "nifti", "slabs", "")


def one_nodule(labels, anatomy):
    one = np.ones(1)
    return NoduleTable(
        **{"id": np.array([7], dtype=np.int32), "x_mm": one, "y_mm": one, "z_mm": one},
        **{"side": np.array(["right"]), "lobe": np.array(["RUL"]), "lobe_confidence": one},
        **{"diameter_mm": one, "volume_mm3": one, "depth_mm": one, "probability": one},
        **{"mean_hu": one, "max_hu": one, "calcified": np.zeros(1, dtype=bool), "vdt_days": one},
        labels=None if labels is None else anatomy.lobes.with_array(labels),
    )


def test_tissue_is_what_the_density_says():
    hu, anatomy = slabs({1: -900, 2: -800, 3: -700, 4: -500, 5: 30})
    found = lungs_of_scan(scan_of(hu), anatomy, BOOK)
    assert found.source == "scan"
    assert [one.lobe for one in found.lobes] == list(LOBES)
    assert [one.volume_ml for one in found.lobes] == pytest.approx([LOBE_ML] * 5)
    # Denser than water is tissue, and no more than its volume.
    assert [one.tissue_ml for one in found.lobes] == pytest.approx([0.2, 0.4, 0.6, 1.0, 2.0])


def test_nodules_are_no_lung():
    hu, anatomy = slabs({1: -800, 4: -800})
    labels = np.zeros(hu.shape, dtype=np.int32)
    labels[2:6, 2:7, 3:8] = 7
    hu[labels > 0] = 40
    nodule_ml = 100 * 0.002
    with_it = lungs_of_scan(scan_of(hu), anatomy, BOOK).lobes[0]
    without = lungs_of_scan(scan_of(hu), anatomy, BOOK, one_nodule(labels, anatomy)).lobes[0]
    assert with_it.volume_ml - without.volume_ml == pytest.approx(nodule_ml)
    assert with_it.tissue_ml - without.tissue_ml == pytest.approx(nodule_ml)
    assert without.tissue_ml == pytest.approx(0.2 * (LOBE_ML - nodule_ml))


def test_nodules_without_outlines_are_counted_and_the_notes_say_so():
    hu, anatomy = slabs({1: -800, 4: -800})
    found = lungs_of_scan(scan_of(hu), anatomy, BOOK, one_nodule(None, anatomy))
    assert found.lobes == lungs_of_scan(scan_of(hu), anatomy, BOOK).lobes
    assert "no outlines" in found.notes[0]


def test_a_lobe_that_is_gone_is_left_out():
    hu, anatomy = slabs({1: -800, 3: -800, 5: -800})
    found = lungs_of_scan(scan_of(hu), anatomy, BOOK)
    assert [one.lobe for one in found.lobes] == ["RUL", "RLL", "LLL"]
    assert [one.lobe for one in found.of(TARGETS["right-upper-middle"])] == ["RUL"]
    with pytest.raises(PerfusionError, match="left upper lobe is not there"):
        found.of(TARGETS["left-upper"])


def test_a_lung_without_lobes_is_shared_out_by_the_published_means():
    hu, anatomy = slabs({1: -800, 2: -800, 3: -800, 4: -700, 5: -700})
    lobes = np.where(anatomy.lobes.array > 3, 0, anatomy.lobes.array).astype(np.uint8)
    found = lungs_of_scan(scan_of(hu), replace(anatomy, lobes=anatomy.lobes.with_array(lobes)), BOOK)
    left = found.lung("left")
    assert volume_ml(left) == pytest.approx(2 * LOBE_ML)
    assert tissue_ml(left) == pytest.approx(0.3 * 2 * LOBE_ML)
    assert left[0].volume_ml / left[1].volume_ml == pytest.approx(23.1 / 23.2)
    assert "left lung were not found" in found.notes[0]
    assert "anatomy.lobe_share.LUL" in found.evidence


def test_flipping_a_scan_changes_no_volume():
    rng = np.random.default_rng(3)
    hu, anatomy = slabs(dict.fromkeys(range(1, 6), -800))
    hu = hu + rng.integers(-150, 900, hu.shape).astype(np.int16)
    flipped = replace(
        anatomy,
        lungs=anatomy.lungs.with_array(anatomy.lungs.array[:, ::-1].copy()),
        lobes=anatomy.lobes.with_array(anatomy.lobes.array[:, ::-1].copy()),
    )
    ours, theirs = (
        lungs_of_scan(scan_of(values), lungs, BOOK).lobes
        for values, lungs in ((hu, anatomy), (hu[:, ::-1].copy(), flipped))
    )
    assert ours == theirs


def test_reference_lungs_have_the_published_shares():
    lungs = reference_lungs(BOOK)
    assert tissue_ml(lungs.lobes) == pytest.approx(530)
    shares = [100 * one.volume_ml / volume_ml(lungs.lobes) for one in lungs.lobes]
    assert sum(shares) == pytest.approx(100)
    assert shares == pytest.approx([17.9, 9.3, 26.5, 23.1, 23.2], abs=0.1)
    for side, share in (("right", 53.6), ("left", 46.4)):
        assert 100 * volume_ml(lungs.lung(side)) / volume_ml(lungs.lobes) == pytest.approx(share, abs=0.05)


def test_a_patient_without_a_lung_has_nothing_to_perfuse_there():
    lungs = LungVolumes(reference_lungs(BOOK).lung("left"), source="scan")
    with pytest.raises(PerfusionError, match="right lung is not there"):
        lungs.of(TARGETS["right"])
