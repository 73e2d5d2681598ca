"""Given lungs and lobes take the place of ours, and nodules at the pleura stay inside."""

import numpy as np
import pytest

from clearlung.anatomy import LUNG_LABELS
from clearlung.anatomy.sources import Parts, adopt
from clearlung.anatomy.sources.adopt import REACH_MM
from clearlung.evidence import load_evidence
from tests.anatomy import lobed

SPACING = lobed.BODY.spacing_mm


def parts(lobes=None, lungs=None):
    return Parts(lobes, lungs, None, None, "file", "read from x", "names")


def test_the_given_ones_stay_as_they_are():
    got = adopt(parts(lobed.lobes(), lobed.lungs()), lobed.lungs(), SPACING)
    np.testing.assert_array_equal(got.lobes, lobed.lobes())
    np.testing.assert_array_equal(got.lungs, lobed.lungs())
    assert (got.added_ml, got.without_lobes) == (0.0, ())
    assert "read from x" in got.method


def test_lungs_are_the_union_of_the_lobes_by_side():
    got = adopt(parts(lobed.lobes()), np.zeros_like(lobed.lungs()), SPACING)
    np.testing.assert_array_equal(got.lungs, lobed.lungs())


def test_a_nodule_at_the_pleura_that_the_given_lobes_leave_out_comes_back():
    z, y, x = lobed.BODY.grid()
    nodule = ((x - 90.0) ** 2 + (y + 10.0) ** 2 + (z - 40.0) ** 2 < 12.0**2) & (lobed.lungs() == 2)
    assert nodule.any()
    without = np.where(nodule, 0, lobed.lobes()).astype(np.uint8)
    got = adopt(parts(without), lobed.lungs(), SPACING)
    np.testing.assert_array_equal(got.lungs, lobed.lungs())
    assert got.added_ml == pytest.approx(nodule.sum() * np.prod(SPACING) / 1000.0)
    # Its voxels get the lobe that is nearest: that of the truth, away from the fissure.
    sure = nodule & (z - 0.8 * y > 5.0)
    np.testing.assert_array_equal(got.lobes[sure], lobed.lobes()[sure])
    assert np.count_nonzero(got.lobes[nodule]) == nodule.sum()


def test_what_of_ours_lies_far_from_the_given_lung_stays_out():
    """A stretch of bowel that our lung has leaked into is what the given lung is to replace."""
    z, y, x = lobed.BODY.grid()
    leak = (np.abs(x - 55.0) < 15.0) & (np.abs(y) < 15.0) & (z < -40.0) & (z > -99.0)
    ours = np.where(leak, 2, lobed.lungs()).astype(np.uint8)
    got = adopt(parts(lobed.lobes()), ours, SPACING)
    extra = (got.lungs > 0) & (lobed.lungs() == 0)
    assert 0 < np.count_nonzero(extra) <= np.count_nonzero(leak)
    far = leak & (z < -80.0 - REACH_MM)
    assert not got.lungs[far].any()


def test_sides_that_are_not_given_stay_ours():
    right = np.where(lobed.lungs() == 1, lobed.lobes(), 0).astype(np.uint8)
    got = adopt(parts(right), lobed.lungs(), SPACING)
    np.testing.assert_array_equal(got.lungs, lobed.lungs())
    assert got.without_lobes == ("left",)
    assert not got.lobes[lobed.lungs() == LUNG_LABELS["left"]].any()


def test_lungs_alone_leave_the_lobes_to_us():
    got = adopt(parts(lungs=lobed.lungs()), lobed.lungs(), SPACING)
    assert (got.lobes, got.confidence, got.second) == (None, None, None)
    assert got.without_lobes == ("right", "left")


def test_confidence_is_the_chance_that_a_displaced_border_leaves_the_lobe():
    got = adopt(parts(lobed.lobes()), lobed.lungs(), SPACING)
    z, y, _ = lobed.BODY.grid()
    left = lobed.lungs() == 2
    away_mm = np.broadcast_to(np.abs(z - 0.8 * y) / np.hypot(1.0, 0.8), left.shape)
    error_mm = load_evidence().value("source.lobe_border_error", unit="mm")
    for distance, least, most in ((0.0, 0.5, 0.8), (error_mm, 0.72, 0.95), (4 * error_mm, 0.999, 1.0)):
        shell = left & (np.abs(away_mm - distance) < 0.5)
        assert least <= np.median(got.confidence[shell]) <= most
    assert not got.confidence[lobed.lungs() == 0].any()
    assert got.evidence == ("source.lobe_border_error",)


def test_the_second_lobe_is_the_one_across_the_border():
    got = adopt(parts(lobed.lobes()), lobed.lungs(), SPACING)
    left = lobed.lungs() == 2
    np.testing.assert_array_equal(got.second[left], 9 - got.lobes[left])
    right = lobed.lungs() == 1
    assert set(np.unique(got.second[right])) <= {1, 2, 3}
    assert np.all(got.second[right] != got.lobes[right])


def test_one_lobe_alone_has_no_second():
    lower = np.where(lobed.lobes() == 5, 5, 0).astype(np.uint8)
    got = adopt(parts(lower), np.zeros_like(lower), SPACING)
    inside = lower > 0
    assert not got.second.any()
    assert np.all(got.confidence[inside] == 1.0)


def test_mirroring_the_body_mirrors_the_result():
    across = np.array([0, 4, 4, 5, 1, 3], dtype=np.uint8)
    two = np.where(lobed.lobes() == 2, 1, lobed.lobes())  # without the middle lobe the lungs are alike
    got = adopt(parts(two.astype(np.uint8)), lobed.lungs(), SPACING)
    flipped = adopt(
        parts(lobed.mirrored(across[two])), lobed.mirrored(np.array([0, 2, 1])[lobed.lungs()]), SPACING
    )
    np.testing.assert_allclose(flipped.confidence, lobed.mirrored(got.confidence), rtol=1e-5)
    np.testing.assert_array_equal(flipped.lobes, lobed.mirrored(across[got.lobes]))


def test_another_box_is_refused():
    with pytest.raises(ValueError, match="not on the box"):
        adopt(parts(lobed.lobes()), lobed.lungs()[1:], SPACING)


def test_parts_are_cropped_together():
    box = (slice(3, 20), slice(5, 40), slice(2, 50))
    cut = parts(lobed.lobes(), lobed.lungs()).crop(box)
    np.testing.assert_array_equal(cut.lobes, lobed.lobes()[box])
    np.testing.assert_array_equal(cut.lungs, lobed.lungs()[box])
    assert cut.airways is None
