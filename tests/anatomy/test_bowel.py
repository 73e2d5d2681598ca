import numpy as np
import pytest

from clearlung.anatomy.air import find_air
from clearlung.anatomy.lungs import lung_box, survey_lungs
from tests.anatomy.bodies import Body

STOMACH = (55.0, 0.0, -62.0)
STOMACH_MM = 50.0


def with_stomach(sheet_mm):
    """A left lung that lies on a stomach full of gas, with a diaphragm between them."""
    wall = (*STOMACH, STOMACH_MM + 2 * sheet_mm, 40.0)
    return Body(half_axes_mm=(42.0, 60.0, 70.0), balls=[wall, (*STOMACH, STOMACH_MM, -1000.0)], trachea=True)


def lungs_of(body):
    scan = body.scan()
    air = find_air(scan)
    box = lung_box(air, scan.volume.shape)
    hu = scan.volume.array[box]
    lungs = np.zeros(scan.volume.shape, dtype=np.uint8)
    no_airways = np.zeros(hu.shape, dtype=np.bool_)
    lungs[box] = survey_lungs(hu, scan.volume.spacing_mm, box, air, no_airways).labels
    return lungs


@pytest.mark.parametrize("sheet_mm", [1.5, 2.0, 3.0, 4.0])
def test_gas_of_the_stomach_beneath_a_thin_diaphragm_is_no_lung(sheet_mm):
    body = with_stomach(sheet_mm)
    lungs = lungs_of(body)
    assert not lungs[body.ball(*STOMACH, STOMACH_MM - 4.0)].any()
    true = (body.radius(1) < 1) & ~body.ball(*STOMACH, STOMACH_MM + 2 * sheet_mm)
    assert (lungs[true] == 2).mean() > 0.985
    assert np.count_nonzero(lungs == 2) == pytest.approx(np.count_nonzero(true), rel=0.03)


@pytest.mark.parametrize(
    ("ball", "where"),
    [
        ((55.0, 0.0, -40.0, 50.0, -1000.0), "a bulla on the diaphragm"),
        ((60.0, -20.0, 30.0, 50.0, -1000.0), "a bulla"),
    ],
)
def test_gas_that_opens_to_the_lung_stays_in_it(ball, where):
    body = Body(half_axes_mm=(42.0, 60.0, 70.0), balls=[ball])
    inside = body.ball(*ball[:4]) & (body.radius(1) < 0.97)
    assert (lungs_of(body)[inside] == 2).mean() > 0.99, where
