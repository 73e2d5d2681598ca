"""Pictures of specimens: each where the patient has it, told apart without color, with what remains."""

import dataclasses
import io

import matplotlib.image
import numpy as np
import pytest
import specimen_cases as cases
from matplotlib.patches import Polygon

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import LUNG_LABELS
from clearlung.report import resection_sheet, resection_slices
from clearlung.report.projections import OPERATION_VIEWS, on_picture
from clearlung.report.resection_sheet import outlines, specimen_sheet
from clearlung.report.resection_slices import closer_look, specimen_slices
from clearlung.report.technique_marks import technique_mark
from clearlung.resection import TECHNIQUES

VIEWS = [view for pair in OPERATION_VIEWS.values() for view in pair]


@pytest.fixture(scope="module")
def picture():
    return cases.make_picture()


@pytest.fixture
def sheet(picture, monkeypatch):
    """The sheet's figure instead of its bytes."""
    monkeypatch.setattr(resection_sheet, "as_png", lambda figure, _: figure)
    return specimen_sheet(picture)


def words(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (2.5, 0.8, 0.7)])
def test_the_outline_of_a_ball_is_its_circle(view, spacing):
    """Off the middle along each axis and of its own size: a flip or an exchange of axes shows."""
    center, radius = np.array([60.0, 45.0, 90.0]), 12.0
    box = tuple(slice(int((c - 20) / s), int((c + 20) / s)) for c, s in zip(center, spacing, strict=True))
    grid = np.ogrid[box]
    ball = sum((g * s - c) ** 2 for g, s, c in zip(grid, spacing, center, strict=True)) <= radius**2
    (line,) = outlines(view, box, ball, spacing)
    away = np.hypot(*(line - on_picture(view, center[None])).T)
    assert away == pytest.approx(np.full(len(away), radius), abs=max(spacing))


def test_a_ball_cut_in_two_has_two_outlines():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[1:4, 1:8, 1:8] = mask[6:8, 1:8, 1:8] = True
    view = OPERATION_VIEWS["right"][0]
    assert len(outlines(view, (slice(3, 12),) * 3, mask, (1.0, 1.0, 1.0))) == 2


def test_every_specimen_is_in_the_two_views_of_its_lung_and_in_no_other(sheet, picture):
    views = [axes for axes in sheet.axes if any("lung from the" in t.get_text() for t in axes.texts)]
    assert len(views) == 4
    sides = picture.specimens.side.tolist()
    for axes in views:
        (title,) = [t.get_text() for t in axes.texts if "lung from the" in t.get_text()]
        side = title.split()[0].lower()
        polygons = [patch for patch in axes.patches if isinstance(patch, Polygon)]
        assert len(polygons) >= sides.count(side)
        assert len(polygons) <= sides.count(side) + 3  # a wedge around two lesions may fall in two
        numbers = {int(t.get_text()) for t in axes.texts if t.get_text().isdigit()}
        assert numbers == set(picture.nodules.id[picture.nodules.side == side].tolist())


def test_the_views_share_one_scale(sheet):
    lengths = {
        round(np.ptp(line.get_xdata()) / int(text.get_text().split()[0]), 6)
        for axes in sheet.axes[1:]
        for line in axes.lines
        if line.get_linewidth() == 1.6
        for text in axes.texts
        if text.get_text().endswith(" mm")
    }
    assert len(lengths) == 1


def test_the_sheet_says_what_remains_and_what_nothing_fits(sheet, picture):
    said = words(sheet)
    assert RESEARCH_NOTICE in said
    assert f"{len(picture.specimens)} specimens for 39 metastases" in said[0]
    for cell in ("RUL", "1,170", "90 %", "not known", "in no specimen: 1 lesion", "Unresectable: 1 lesion"):
        assert cell in said
    assert any(line.startswith("3: laser enucleation would reach 80 mm") for line in said)
    assert "FEV1 by segments: 61 % (46 to 76) of predicted" in said
    assert {"R", "L"} <= set(said)


def test_techniques_are_told_apart_by_color_by_line_and_by_shape():
    marks = [technique_mark(name) for name in {*TECHNIQUES, "cautery", "segmentectomy", "lobectomy", "new"}]
    for part in ("color", "line", "shape", "words"):
        values = [str(getattr(mark, part)) for mark in marks]
        assert len(set(values)) == len(values)


def test_the_closer_look_takes_the_largest_and_the_fullest(picture):
    places = closer_look(picture)
    assert len(places) == resection_slices.MOST
    assert int(picture.specimens.volume_ml.argmax()) in places
    assert {p for p, group in enumerate(picture.specimens.lesions) if len(group) > 1} <= set(places)
    assert places == sorted(places)


def test_a_slice_shows_the_lesion_within_its_specimen(picture):
    labels = picture.nodules.labels.array
    for place in closer_look(picture):
        cut = resection_slices.cut_slice(picture, picture.anatomy, labels, place)
        assert cut.lesions.any()
        assert not (cut.lesions & ~cut.specimen).any()
        assert not (cut.lesions & cut.others).any()
        assert not (cut.lesions & ~cut.planned).any()


@pytest.mark.parametrize("scan", [True, False])
def test_both_pages_are_pictures_and_the_same_each_time(scan):
    picture = cases.make_picture(12, lobectomy=None, scan=scan)
    for draw in (specimen_sheet, specimen_slices):
        png = draw(picture)
        assert png == draw(picture)
        pixels = matplotlib.image.imread(io.BytesIO(png))
        assert pixels.shape[0] > 500
        assert pixels.shape[1] > 1500


def test_a_list_without_a_scan_has_its_table_alone():
    picture = cases.make_picture(12, lobectomy=None, anatomy=False)
    assert specimen_slices(picture) is None
    pixels = matplotlib.image.imread(io.BytesIO(specimen_sheet(picture)))
    assert pixels.shape[0] < 500


def test_one_lung_has_its_two_views(picture, monkeypatch):
    monkeypatch.setattr(resection_sheet, "as_png", lambda figure, _: figure)
    lungs = picture.anatomy.lungs
    right = lungs.with_array(np.where(lungs.array == LUNG_LABELS["right"], lungs.array, 0))
    anatomy = dataclasses.replace(picture.anatomy, lungs=right)
    rows = np.flatnonzero(picture.specimens.side == "right")
    alone = dataclasses.replace(
        picture, anatomy=anatomy, rows=picture.rows[rows], specimens=picture.specimens.take(rows)
    )
    titles = [word for word in words(specimen_sheet(alone)) if "lung from the" in word]
    assert titles == ["Right lung from the front", "Right lung from the side (sagittal)"]


def test_nothing_to_cut_is_drawn_as_lungs_with_crosses(picture, monkeypatch):
    monkeypatch.setattr(resection_sheet, "as_png", lambda figure, _: figure)
    none = np.zeros(0, dtype=np.intp)
    nothing = dataclasses.replace(picture, rows=none, specimens=picture.specimens.take(none))
    assert "in no specimen: 40 lesions" in words(specimen_sheet(nothing))
    assert specimen_slices(nothing) is None


def test_many_reasons_are_cut_short(picture, monkeypatch):
    monkeypatch.setattr(resection_sheet, "as_png", lambda figure, _: figure)
    many = dict.fromkeys(range(1, 31), "too deep for all that this center does")
    candidates = dataclasses.replace(picture.candidates, unresectable=many)
    said = words(specimen_sheet(dataclasses.replace(picture, candidates=candidates)))
    assert "… and more in specimens.json" in said
