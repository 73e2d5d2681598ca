"""The estimate from a rendered CT on: what the program's own detector reports, and what it cannot find."""

import numpy as np
import pytest
from benchmarks.bench_unseen import estimate_unseen

from clearlung.anatomy import segment_anatomy


@pytest.fixture(scope="module")
def unseen(once, coarse):
    """Twenty metastases in voxels of 3 mm, most of them below what these show."""
    return once("coarse-unseen", lambda: estimate_unseen(coarse, segment_anatomy(coarse.scan), seed=0))


def test_what_lies_below_the_voxels_is_not_found(unseen, coarse):
    small = coarse.truth.diameter_mm[coarse.truth.diameter_mm < 3.0]
    assert len(small) >= 5
    assert np.isin(small, unseen.missed_mm).all()
    assert unseen.reported - unseen.false + unseen.missed[0] == len(coarse.truth.diameter_mm)


def test_the_estimate_holds_what_is_there_and_not_found(unseen):
    assert unseen.missed[0] >= 10
    assert unseen.within[0]
    assert unseen.within[1:].sum() >= 4
    # Not only from nothing on: the scan says that there are more than it shows.
    assert unseen.estimated[0].median >= 3
