"""What a plan's report says of its perfusions: lobes add up, assumptions move it the way that they must."""

import re
from dataclasses import replace

import numpy as np
import pypdf
import pytest

from clearlung.perfusion import make_regimen
from clearlung.perfusion_outlook import perfusion_pages
from clearlung.report import ReportInput, write_report
from clearlung.report_folder import _nodules_of
from clearlung.staging import Unseen, solve_plan

from .staging.problems import function, problem, protocol

ROWS = [(lobe, d, 12.0) for lobe in ("RUL", "RLL", "LUL", "LLL") for d in (3.5, 4.0, 5.0, 9.0)]


@pytest.fixture(scope="module")
def made():
    limits = protocol("high-volume", nodules_max=8, per_lung_max=1)
    given = replace(problem(ROWS, limits, model=function(early_access=0.0)), unseen=Unseen())
    given = replace(given, regimen=make_regimen("petrov-melphalan-50", limits.book()))
    plan = solve_plan(given)
    return given, plan, perfusion_pages(given, plan)


def test_a_sheet_for_each_perfusion(made):
    _, plan, pages = made
    perfused = [(o.number, o.side, o.week) for o in plan.operations if o.perfusion is not None]
    assert perfused
    assert [(one.operation, one.side, one.week) for one in pages.sheets] == perfused


def moved(pages, outcome, key):
    found = pages.moved[outcome]
    (one,) = [one for one in found.sensitivities if one.evidence == key]
    return one.outcome_low, found.expected, one.outcome_high


def test_each_assumption_goes_the_way_that_it_must(made):
    pages = made[2]
    for outcome, key, falls in (
        (0, "effect.ic50.center", False),
        (0, "kinetics.tumor.over_lung", True),
        (0, "occult.felt.half", False),
        (0, "effect.cells.clonogenic", False),
        (1, "worth.death", True),
        (1, "worth.edema", True),
        (1, "worth.fev1", True),
        (1, "function.perfusion_factor", True),
        (1, "effect.ic50.center", True),
    ):
        low, middle, high = moved(pages, outcome, key)
        assert (low > middle > high) if falls else (low < middle < high), key


def test_what_is_expected_is_that_of_the_plan(made):
    _, plan, pages = made
    left, worth = pages.moved
    assert left.expected == pytest.approx(sum(lung.left.mean for lung in plan.perfusion.lungs))
    planned = [one for one in plan.perfusion.perfusions if one.planned]
    assert worth.expected == pytest.approx(sum(one.worth for one in planned), abs=1e-6)
    swings = [one.swing for one in left.sensitivities]
    assert swings == sorted(swings, reverse=True)


def test_a_weight_of_harm_counts_as_if_the_protocol_had_set_it(made):
    given, plan, pages = made
    low, _, _ = moved(pages, 1, "worth.death")
    value = given.protocol.book()["worth.death"].low
    gain = replace(given.benefit, worth=replace(given.benefit.worth, death=value))
    points = given.function.baseline_percent * given.function.perfusion_permanent
    harm = sum(gain.harm(one.side, 1, points) for one in pages.sheets)
    spared = sum(one.spared.mean for one in plan.perfusion.perfusions if one.planned)
    assert low == pytest.approx(spared - harm)


def test_nothing_is_said_where_nothing_was_estimated(made):
    given, plan, _ = made
    pages = perfusion_pages(given, plan.model_copy(update={"perfusion": None}))
    assert not pages.moved
    assert pages.sheets


def test_the_report_has_one_page_for_each_perfusion_and_says_why(made, tmp_path):
    given, plan, pages = made
    nodules = _nodules_of(given, None)
    report = ReportInput(plan, nodules, None, "A plan", "a list", "2026-03-04", perfusions=pages)
    write_report(report, tmp_path)
    texts = [page.extract_text() for page in pypdf.PdfReader(tmp_path / "report.pdf").pages]
    sheets = [k for k, text in enumerate(texts) if "A rehearsal, not an order" in text]
    assert len(sheets) == len(pages.sheets)
    assert sheets == list(range(len(texts) - len(sheets), len(texts)))
    for number in range(1, len(sheets) + 1):
        assert len(pypdf.PdfReader(tmp_path / f"perfusion-{number}.pdf").pages) == 1
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in (" ".join(" ".join(texts).split()), re.sub(r"\s+", " ", html)):
        for words in (
            "Why operations are perfused",
            "a judgment, not a fact",
            "Which assumption matters most",
        ):
            assert words in text
        for reason in plan.perfusion.reasons:
            assert reason[:40] in text
    assert np.all(["alt=" in tag for tag in re.findall(r"<img[^>]*>", html)])


def test_of_a_plan_without_perfusions_the_best_one_that_was_weighed_is_judged(made):
    given, plan, _ = made
    bare = tuple(o.model_copy(update={"perfusion": None}) for o in plan.operations)
    plan = plan.model_copy(update={"operations": bare})
    pages = perfusion_pages(given, plan)
    best = max(plan.perfusion.perfusions, key=lambda one: one.worth)
    assert not pages.sheets
    assert f"{best.side} lung in operation {best.operation}" in pages.moved[1].title
    assert moved(pages, 1, "worth.death")[0] > pages.moved[1].expected
