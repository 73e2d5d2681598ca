"""How sure a margin is, against published quantiles and simulation."""

import numpy as np
import pytest

from clearlung.evidence import load_evidence
from clearlung.nodules import sphere_volume_mm3
from clearlung.resection.margins import Satellites, describe_margins, outline_error_mm

from .chests import block_lung, table

BOOK = load_evidence()
CURVE = Satellites.of(BOOK)


@pytest.mark.parametrize(("mm", "percent"), [(1.59, 68.27), (3.43, 95.45), (7.4, 99.73)])
def test_satellites_lie_as_far_as_published(mm, percent):
    """Welter 2011: the three quantiles, met within 3 % of the distance."""
    assert (
        100 * CURVE.within(np.array([mm * 0.97]))[0]
        <= percent
        <= 100 * CURVE.within(np.array([mm * 1.03]))[0]
    )


def test_margin_interval_holds_a_redrawn_outline():
    """Radii of repeated outlines scatter as the published limits of agreement say."""
    nodules = table(block_lung(), [(45, 45, 45)], 4)
    low, high = sphere_volume_mm3(8.0) * 0.749, sphere_volume_mm3(8.0) * 1.289
    nodules = nodules.with_columns(volume_low_mm3=np.array([low]), volume_high_mm3=np.array([high]))
    error = outline_error_mm(nodules, 0.0)
    (margin,) = describe_margins([1], np.array([5.0]), np.array([5.0]), error, CURVE)
    rng = np.random.default_rng(1)
    volume = sphere_volume_mm3(8.0) * (1 + rng.normal(0.02, (0.289 + 0.251) / 2 / 1.96, 20_000))
    radius = np.cbrt(3 * volume / 4 / np.pi)
    drawn = 5.0 + 4.0 - radius
    held = ((drawn >= margin.low_mm) & (drawn <= margin.high_mm)).mean()
    assert held == pytest.approx(0.95, abs=0.02)


def test_a_voxel_adds_to_the_error():
    nodules = table(block_lung(), [(45, 45, 45)], 4)
    fine, coarse = outline_error_mm(nodules, 0.0), outline_error_mm(nodules, 2.0)
    assert coarse**2 - fine**2 == pytest.approx(4 / 12)


def test_chances_against_simulation():
    margin, error = np.array([0.4, 3.0]), np.array([0.5, 1.2])
    described = describe_margins([7, 9], np.array([5.0, 5.0]), margin, error, CURVE)
    rng = np.random.default_rng(2)
    for k, one in enumerate(described):
        drawn = rng.normal(margin[k], error[k], 400_000)
        assert one.clear == pytest.approx((drawn > 0).mean(), abs=0.003)
        assert one.satellites == pytest.approx(CURVE.within(drawn).mean(), abs=0.005)
        assert one.low_mm < one.margin_mm < one.high_mm
    assert [one.lesion for one in described] == [7, 9]
