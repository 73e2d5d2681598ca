"""What a lobe holds, against volumes and mixtures that are known."""

import numpy as np
import pytest

from clearlung.anatomy import LOBES, Anatomy, add_measures, measure_lobes
from clearlung.ct import Volume


def anatomy_of(lobes, spacing=(2.0, 1.0, 1.0)):
    grid = Volume.at(lobes, spacing)
    lungs = np.where(lobes > 3, 2, np.where(lobes > 0, 1, 0)).astype(np.uint8)
    flat = grid.with_array(np.zeros(lobes.shape, dtype=np.float32))
    box = tuple(slice(0, n) for n in lobes.shape)
    return Anatomy(box, grid.with_array(lungs), grid, flat, flat, "by hand")


def test_air_and_tissue_are_what_the_mixture_says():
    lobes = np.zeros((10, 10, 10), dtype=np.uint8)
    lobes[:, :5] = 1
    lobes[:, 5:] = 4
    hu = np.full(lobes.shape, -750, dtype=np.int16)
    hu[lobes == 4] = -980
    found = measure_lobes(anatomy_of(lobes), Volume.at(hu, (2.0, 1.0, 1.0)))
    assert found["RUL"].volume_ml == pytest.approx(1.0)
    assert found["RUL"].air_ml == pytest.approx(0.75)
    assert found["RUL"].tissue_ml == pytest.approx(0.25)
    assert found["RUL"].emphysema_share == 0
    assert found["LUL"].emphysema_share == 1
    assert found["LUL"].mean_hu == pytest.approx(-980)


def test_an_empty_lobe_has_no_volume_and_no_density():
    lobes = np.ones((4, 4, 4), dtype=np.uint8)
    found = measure_lobes(anatomy_of(lobes), Volume.at(np.full(lobes.shape, -800, dtype=np.int16), (2, 1, 1)))
    assert set(found) == set(LOBES)
    assert found["RML"].volume_ml == 0
    assert np.isnan(found["RML"].mean_hu)


def test_the_lobes_together_are_the_lungs():
    rng = np.random.default_rng(3)
    lobes = rng.integers(0, 6, (12, 12, 12)).astype(np.uint8)
    hu = rng.integers(-1024, 400, lobes.shape).astype(np.int16)
    parts = measure_lobes(anatomy_of(lobes), Volume.at(hu, (2.0, 1.0, 1.0)))
    whole = add_measures(list(parts.values()))
    inside = hu[lobes > 0].astype(float)
    assert whole.volume_ml == pytest.approx(inside.size * 0.002)
    assert whole.mean_hu == pytest.approx(inside.mean())
    assert whole.air_ml + whole.tissue_ml == pytest.approx(whole.volume_ml)
    assert whole.emphysema_share == pytest.approx((inside < -950).mean())


def test_the_whole_scan_and_its_part_in_the_box_give_the_same():
    lobes = np.full((4, 4, 4), 2, dtype=np.uint8)
    anatomy = anatomy_of(lobes)
    moved = Anatomy(
        (slice(1, 5), slice(2, 6), slice(0, 4)),
        anatomy.lungs,
        anatomy.lobes,
        anatomy.lobe_confidence,
        anatomy.depth_mm,
        "by hand",
    )
    hu = np.random.default_rng(1).integers(-900, -700, (8, 8, 8)).astype(np.int16)
    scan = Volume.at(hu, (2.0, 1.0, 1.0))
    assert measure_lobes(moved, scan)["RML"] == measure_lobes(moved, scan.crop(moved.box))["RML"]


def test_another_scan_is_refused():
    lobes = np.full((4, 4, 4), 2, dtype=np.uint8)
    with pytest.raises(ValueError, match="is not the one"):
        measure_lobes(anatomy_of(lobes), Volume.at(np.zeros((3, 3, 3), dtype=np.int16)))
