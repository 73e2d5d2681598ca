"""The perfusionist's sheet: one page, whatever the perfusion, with its side, its limits and its notice."""

import io
import re
from dataclasses import replace

import numpy as np
import pypdf
import pytest

from clearlung import RESEARCH_NOTICE
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    REGIMENS,
    RegimenChanges,
    Seen,
    make_regimen,
    published_maxima,
    reference_lungs,
)
from clearlung.perfusion_sheets import SIZES_MM, perfusion_sheet
from clearlung.report import write_sheet
from clearlung.staging import Basis, Estimates, Unseen, unseen_perfused

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)
SOURCE = {"source": "published mean lungs", "created": "2026-03-04"}
# As long as any that a perfusion has by itself.
WARNINGS = tuple(f"Warning {k}: the dose per volume lies outside what was counted with it." for k in range(9))


def make(name, target="right-upper-middle", **changes):
    regimen = make_regimen(
        name, BOOK, target=target, body_surface_m2=1.9, changes=RegimenChanges.of(**changes)
    )
    maxima = published_maxima(regimen, BOOK)
    return perfusion_sheet(regimen, LUNGS, BOOK, maxima, body_surface_m2=1.9, warnings=WARNINGS, draws=500)


def written(sheet, folder):
    write_sheet(sheet, folder, **SOURCE)
    pages = [" ".join(page.extract_text().split()) for page in read(folder).pages]
    return pages, (folder / "sheet.html").read_text(encoding="utf-8")


def read(folder):
    return pypdf.PdfReader(io.BytesIO((folder / "sheet.pdf").read_bytes()))


@pytest.mark.parametrize("name", REGIMENS)
def test_it_is_one_page_for_every_regimen(name, tmp_path):
    pages, _ = written(make(name), tmp_path)
    assert len(pages) == 1
    assert "Warning 7" in pages[0]
    assert "1 more in the result" in pages[0]


@pytest.mark.parametrize("name", REGIMENS)
def test_it_stays_one_page_with_what_the_ct_does_not_show(name, unseen, tmp_path):
    sheet = replace(make(name, "right"), unseen=unseen)
    pages, html = written(sheet, tmp_path)
    assert len(pages) == 1
    assert "6 more in the result" in pages[0]
    assert unseen.unseen.high > 1000
    # A cell this wide has a break in it.
    row = f"{unseen.unseen.median:.0f}({unseen.unseen.low:.0f}\N{EN DASH}{unseen.unseen.high:,.0f})"
    for text in (pages[0], re.sub(r"\s+", " ", html)):
        assert row in text.replace(" ", "")
        assert "does not show in what is perfused" in text


def test_it_says_so_where_no_nodule_is_known(left):
    assert "no nodules are known" in left[1]


@pytest.fixture(scope="module")
def unseen():
    """Of a lung with very many: the widest numbers."""
    sizes = 2.0 + np.random.default_rng(0).exponential(1.2, 600)
    seen = Seen.listed(sizes, ["RUL", "RLL", "RML"] * 200)
    basis, known = Basis(Unseen.of(seen), {}, 0, None), Estimates()
    course = make("petrov-melphalan-50", "right").course
    return unseen_perfused(known.burden(basis), known.benefit(basis).lobes, course, LUNGS, BOOK)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    sheet = make("petrov-melphalan-50", "left", dose_mode="perfused_volume")
    (page,), html = written(sheet, tmp_path_factory.mktemp("sheet"))
    return sheet, page, html


def test_dose_derivation_limits_and_notice_are_there(left):
    sheet, page, html = left
    for text in (page, re.sub(r"\s+", " ", html)):
        assert text.count(RESEARCH_NOTICE) >= 2
        assert "A rehearsal, not an order" in text
        assert "ypothesis" in text
        assert f"{sheet.regimen.dose_mg:.1f} mg" in text
        assert "mg per liter of perfused lung" in text
        assert "30 mmHg" in text
        assert "Leak of 10 % of the dose" in text
        for words in (
            "Cannulate",
            "Perfuse",
            "Wash out",
            "Reconnect",
            "Edema",
            "Death",
            "Published",
            "Assumed",
        ):
            assert words in text
    assert page.index("A rehearsal") < page.index("Timeline")


def test_the_side_is_marked_in_text_and_picture(left):
    _, page, html = left
    assert "L: LUL, LLL" in page
    assert "to the LEFT side" in page
    (alt,) = re.findall(r'<img src="data:image/svg[^"]*" alt="([^"]*)"', html)
    assert "left lung" in alt
    assert "tumor between" in alt


def test_tumor_is_an_interval_and_never_a_number(left):
    sheet, _, html = left
    tumor = sheet.course.tumor_auc_mg_min_per_l
    assert tumor.high > 10 * tumor.low
    (alt,) = re.findall(r'<img src="data:image/svg[^"]*" alt="([^"]*)"', html)
    assert f"{tumor.median:.0f}" not in alt


def test_a_larger_metastasis_is_sterilized_less(left):
    sheet, page, _ = left
    expected = [one.expected for one in sheet.effects]
    assert tuple(one.diameter_mm for one in sheet.effects) == SIZES_MM
    assert expected == sorted(expected, reverse=True)
    assert f"{100 * expected[0]:.0f} %" in page


def test_the_same_sheet_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written(make("antwerp-melphalan-45", "right"), tmp_path / name)
    for file in ("sheet.pdf", "sheet.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
