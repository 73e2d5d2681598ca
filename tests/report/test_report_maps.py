"""Maps: nothing is mirrored, everything is where the patient has it, and to scale."""

import numpy as np
import pytest
import report_cases as cases
from matplotlib.collections import EllipseCollection

from clearlung.report.labels import Frame, place_labels
from clearlung.report.maps import Marked, draw_map
from clearlung.report.projections import (
    AXIAL,
    CORONAL,
    SAGITTAL_LEFT,
    SAGITTAL_RIGHT,
    backdrop,
    on_picture,
    places_mm,
)

VIEWS = (CORONAL, SAGITTAL_RIGHT, SAGITTAL_LEFT, AXIAL)


@pytest.fixture(scope="module")
def patient():
    scan, anatomy = cases.make_scan()
    return scan, anatomy, cases.make_nodules(anatomy, 60)


def drawn_at(view, patient):
    """The figure, its circles and where they are on paper, mm (the largest first)."""
    scan, anatomy, nodules = patient
    shown = np.isin(nodules.side, view.sides)
    ids = tuple(int(i) for i in nodules.id[shown])
    marked = Marked(ids, places_mm(nodules, anatomy)[shown], nodules.diameter_mm[shown], (1,) * len(ids))
    figure = draw_map(view, backdrop(view, anatomy, scan), marked, (), 178.0, 170.0)
    circles = next(c for c in figure.axes[0].collections if isinstance(c, EllipseCollection))
    return figure, circles, np.asarray(circles.get_offsets())


@pytest.mark.parametrize("view", [CORONAL, AXIAL], ids=lambda v: v.name)
def test_right_lung_is_on_the_left_of_the_picture(view, patient):
    _, anatomy, nodules = patient
    across = on_picture(view, places_mm(nodules, anatomy))[:, 0]
    right = nodules.side == "right"
    assert across[right].max() < across[~right].min()
    # LPS: the patient's left has the larger x, whatever the picture says.
    assert nodules.x_mm[right].max() < nodules.x_mm[~right].min()


@pytest.mark.parametrize("view", [CORONAL, AXIAL], ids=lambda v: v.name)
def test_drawn_circles_and_silhouettes_agree_on_the_side(view, patient):
    scan, anatomy, nodules = patient
    behind = backdrop(view, anatomy, scan)
    columns = {side: np.flatnonzero(mask.any(axis=0)) for side, mask in behind.lungs.items()}
    assert columns["right"].max() < columns["left"].min()
    # The made-up right lung is the wider one.
    assert len(columns["right"]) > 1.2 * len(columns["left"])
    _, _, offsets = drawn_at(view, patient)
    left_half = offsets[:, 0] < 178.0 / 2
    share = np.mean(nodules.side == "right")
    assert np.mean(left_half) == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("view", [CORONAL, SAGITTAL_RIGHT, SAGITTAL_LEFT], ids=lambda v: v.name)
def test_head_is_up(view, patient):
    _, anatomy, nodules = patient
    up = on_picture(view, places_mm(nodules, anatomy))[:, 1]
    assert np.array_equal(np.argsort(up, kind="stable"), np.argsort(nodules.z_mm, kind="stable"))


@pytest.mark.parametrize("view", [SAGITTAL_RIGHT, SAGITTAL_LEFT], ids=lambda v: v.name)
def test_front_is_on_the_left_from_the_side(view, patient):
    _, anatomy, nodules = patient
    across = on_picture(view, places_mm(nodules, anatomy))[:, 0]
    assert np.corrcoef(across, nodules.y_mm)[0, 1] == pytest.approx(1.0)
    assert view.marks[:2] == ("A", "P")


def test_front_is_up_from_the_feet(patient):
    _, anatomy, nodules = patient
    up = on_picture(AXIAL, places_mm(nodules, anatomy))[:, 1]
    assert np.corrcoef(up, nodules.y_mm)[0, 1] == pytest.approx(-1.0)
    assert AXIAL.marks == ("R", "L", "A", "P")


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (2.5, 0.8, 0.8)])
def test_a_dense_ball_in_the_scan_shows_where_its_nodule_is_drawn(view, spacing):
    scan, anatomy = cases.make_scan(spacing)
    side = view.side or "right"
    middle, _ = cases.LUNGS[side]
    # Off the middle along each axis, so that a flip along any of them shows.
    index = np.add(middle, (35.0, -20.0, 14.0)) / spacing
    grid = np.ogrid[tuple(slice(0, n) for n in scan.volume.shape)]
    distance = sum(((g - i) * s) ** 2 for g, i, s in zip(grid, index, spacing, strict=True))
    before = backdrop(view, anatomy, scan).gray
    scan.volume.array[distance < 10.0**2] = 100
    behind = backdrop(view, anatomy, scan)
    point = scan.volume.points_mm([index])
    nodules = cases.make_nodules(anatomy, 1).with_columns(
        x_mm=point[:, 0], y_mm=point[:, 1], z_mm=point[:, 2]
    )
    across, up = on_picture(view, places_mm(nodules, anatomy))[0]
    left, right, bottom, top = behind.extent_mm
    rows, columns = behind.gray.shape
    dark = np.argwhere(behind.gray > before + 0.02).mean(axis=0) + 0.5
    assert left + dark[1] * (right - left) / columns == pytest.approx(across, abs=1.5)
    assert bottom + dark[0] * (top - bottom) / rows == pytest.approx(up, abs=1.5)


def test_nodules_lie_within_the_drawn_lungs(patient):
    scan, anatomy, nodules = patient
    for view in VIEWS:
        behind = backdrop(view, anatomy, scan)
        left, right, bottom, top = behind.extent_mm
        shown = np.isin(nodules.side, view.sides)
        for side in view.sides:
            mask = behind.lungs[side]
            points = on_picture(view, places_mm(nodules, anatomy)[shown & (nodules.side == side)])
            column = ((points[:, 0] - left) / (right - left) * mask.shape[1]).astype(int)
            row = ((points[:, 1] - bottom) / (top - bottom) * mask.shape[0]).astype(int)
            assert mask[row, column].all()


def test_circles_and_scale_bar_have_one_scale(patient):
    _, anatomy, nodules = patient
    figure, circles, offsets = drawn_at(CORONAL, patient)
    places = on_picture(CORONAL, places_mm(nodules, anatomy))
    scale = np.ptp(offsets[:, 0]) / np.ptp(places[:, 0])
    assert np.ptp(offsets[:, 1]) / np.ptp(places[:, 1]) == pytest.approx(scale)
    assert 2 * np.asarray(circles._widths).max() == pytest.approx(scale * nodules.diameter_mm.max())
    bar = next(line for line in figure.axes[0].lines if line.get_linewidth() == 1.6)
    assert np.ptp(bar.get_xdata()) == pytest.approx(50.0 * scale)


def test_every_nodule_has_its_number_near_it(patient):
    _, _, nodules = patient
    figure, _, offsets = drawn_at(CORONAL, patient)
    numbers = {t.get_text(): t.get_position() for t in figure.axes[0].texts if t.get_text().isdigit()}
    assert set(numbers) == {str(i) for i in nodules.id}
    for position in numbers.values():
        assert np.hypot(*(offsets - position).T).min() < 20.0


def test_numbers_do_not_cover_each_other():
    rng = np.random.default_rng(3)
    centers = rng.uniform((20, 20), (150, 150), (170, 2))
    sizes = np.tile([4.0, 1.8], (170, 1))
    placed = place_labels(centers, rng.uniform(0.8, 4, 170), sizes, Frame(0, 170, 0, 170))
    apart = np.abs(placed[:, None] - placed[None])
    covered = (apart < sizes[0]).all(axis=-1) & ~np.eye(170, dtype=bool)
    assert covered.sum() == 0
    assert (np.abs(placed - 85) <= 85 - sizes / 2 + 1e-9).all()


def test_numbers_keep_clear_of_other_words():
    center = np.array([[50.0, 50.0]])
    taken = np.array([[53.0, 50.0, 6.0, 30.0]])
    placed = place_labels(center, np.array([1.0]), np.array([[4.0, 2.0]]), Frame(0, 100, 0, 100), taken)
    assert (np.abs(placed - taken[:, :2]) >= (taken[:, 2:] + [4.0, 2.0]) / 2).any()
