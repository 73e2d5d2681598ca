"""What a report shows of a stress test, of a trade-off and of a plan of what is left."""

import dataclasses

import numpy as np
import pytest
from tests.staging.stress.cases import small

from clearlung import RESEARCH_NOTICE
from clearlung.nodules import NoduleTable, sphere_volume_mm3
from clearlung.report import (
    CurvePoint,
    PlanPlace,
    ReportInput,
    Revision,
    TradeoffCurve,
    tradeoff_svg,
    tradeoff_words,
    write_report,
)
from clearlung.report.content import build_document
from clearlung.report.outlook import stress_blocks, tradeoff_blocks
from clearlung.report.page import render_page
from clearlung.report.pictures import Atlas
from clearlung.report.revision import revision_blocks
from clearlung.report.stress_figure import stress_report_svg, varied_alone
from clearlung.staging import StressOptions, replan, stress_test
from clearlung.staging.done import Done


@pytest.fixture(scope="module")
def solved():
    return small(nodules_max=6, minutes_max=180.0)


@pytest.fixture(scope="module")
def report(solved):
    given, plan = solved
    lesions = given.lesions
    nothing = np.full(len(lesions), np.nan)
    nodules = NoduleTable(
        id=lesions.id,
        x_mm=nothing,
        y_mm=nothing,
        z_mm=nothing,
        side=lesions.side,
        lobe=lesions.lobe,
        lobe_confidence=np.ones(len(lesions)),
        diameter_mm=lesions.diameter_mm,
        volume_mm3=sphere_volume_mm3(lesions.diameter_mm),
        depth_mm=lesions.depth_mm,
        probability=np.ones(len(lesions)),
        mean_hu=nothing,
        max_hu=nothing,
        calcified=np.zeros(len(lesions), dtype=bool),
        vdt_days=lesions.vdt_days,
    )
    return ReportInput(plan, nodules, None, "Made up", "A list", "2026-03-04")


@pytest.fixture(scope="module")
def stressed(report, solved):
    record = stress_test(solved[0], report.plan, StressOptions(scenarios=300))
    return dataclasses.replace(report, stress=record)


def point(operations, ml, weeks, floor=20.0, **more):
    values = {
        "lesions_left": 0,
        "fev1_lowest_low_percent": 30.0,
        "risk": "low",
        "proven": True,
        "dominated": False,
    }
    return CurvePoint(
        operations=operations,
        weeks=weeks,
        removed_ml_max=ml,
        fev1_limit_percent=floor,
        **(values | more),
    )


def curve(*points, complete=True):
    return TradeoffCurve("high-volume", points, 1.0, 5.0, 1, complete)


def texts(blocks):
    return " ".join(block.text for block in blocks if block.kind in ("text", "heading"))


def tables(blocks):
    return [block for block in blocks if block.kind == "table"]


def test_without_results_the_report_has_no_such_sections(report):
    assert stress_blocks(report) == tradeoff_blocks(report) == revision_blocks(report) == ()


def test_the_stress_section_says_how_often_and_what_is_assumed(stressed):
    record = stressed.stress
    blocks = stress_blocks(stressed)
    assert f"of {record.scenarios} scenarios" in texts(blocks)
    assert f"seed {record.seed}" in texts(blocks)
    assert RESEARCH_NOTICE in texts(blocks)
    short, promises, alone = tables(blocks)
    assert len(short.rows) == sum(row.short > 0 for row in record.limits) > 0
    assert [row[0].text for row in promises.rows] == [goal.title for goal in record.goals]
    varied = varied_alone(record)
    assert [row[2].text == "assumed" for row in alone.rows] == [one.assumed for one in varied]
    assert alone.caption.startswith(f"{sum(one.assumed for one in varied)} of {len(varied)} ranges")
    assert [one.share for one in varied] == sorted(one.share for one in varied)
    (bullets,) = [block for block in blocks if block.kind == "bullets"]
    assert bullets.items == record.warnings


def test_a_limit_is_named_in_words_and_not_by_its_key(stressed):
    words = texts(stress_blocks(stressed))
    assert "per_operation" not in words
    assert "as a rule by its" in words


def test_a_plan_that_always_holds_lacks_no_reserve(stressed):
    kept = tuple(row.model_copy(update={"short": 0.0}) for row in stressed.stress.limits)
    record = stressed.stress.model_copy(update={"limits": kept, "breaks_first": None})
    blocks = stress_blocks(dataclasses.replace(stressed, stress=record))
    assert "Every limit of every operation holds in 90 % of the scenarios or more." in texts(blocks)
    assert "No operation breaks a limit in any." in texts(blocks)
    assert len(tables(blocks)) == 2


def test_the_trade_off_says_what_is_proven(report):
    made = curve(
        point(2, 73.4, 6),
        point(3, 53.0, 9, proven=False),
        point(3, 60.0, 12, dominated=True),
        point(4, 37.0, 31, 25.0, risk=None, fev1_lowest_low_percent=None),
        complete=False,
    )
    blocks = tradeoff_blocks(dataclasses.replace(report, curve=made))
    assert "3 plans of which none is better" in texts(blocks)
    assert "2 proven to have the fewest operations" in texts(blocks)
    assert "it is not proven that none is missing" in texts(blocks)
    assert RESEARCH_NOTICE in texts(blocks)
    (table,) = tables(blocks)
    assert [row[0].text for row in table.rows] == ["2", "3", "4"]
    assert [row[7].text for row in table.rows] == ["proven", "not proven", "proven"]
    assert (table.rows[2][3].text, table.rows[2][6].text) == ("–", "not judged")
    (pictures,) = [block for block in blocks if block.kind == "pictures"]
    assert pictures.pictures[0].alt == tradeoff_words(made)


def test_the_plan_is_ringed_where_it_lies_and_floors_stand_side_by_side():
    made = curve(point(2, 73.0, 6), point(2, 73.0, 18, 25.0), point(3, 50.0, 9), point(3, 50.0, 20, 25.0))
    from clearlung.report.tradeoff_figure import _draw

    figure = _draw(made, PlanPlace(2, 18, 73.2))
    tissue = figure.axes[1]
    first, second, ring = tissue.lines
    assert ring.get_label() == "this plan"
    assert list(first.get_ydata()) == list(second.get_ydata()) == [73.0, 50.0]
    # Equal in tissue, and both to be seen: neither stands on the other.
    assert np.all(np.abs(np.subtract(first.get_xdata(), second.get_xdata())) > 0.2)
    assert ring.get_xdata()[0] == second.get_xdata()[0]
    elsewhere = _draw(made, PlanPlace(5, 40, 20.0)).axes[1].lines[-1]
    assert elsewhere.get_xdata()[0] == 5


def test_a_curve_without_points_is_drawn_and_told():
    assert tradeoff_words(curve()) == "The trade-off curve has no point."
    assert tradeoff_svg(curve()).startswith("<?xml")


def test_what_changed_is_shown_with_its_reasons(report, solved):
    given, plan = solved
    left = plan.operations[0].specimens[0].lesions
    done = Done.model_validate(
        {
            "today_week": 1,
            "operations": [{"number": 1, "left": left, "found_removed": 1, "complications": ["air leak"]}],
            "new": [{"id": 90, "lobe": "RUL", "diameter_mm": 5}],
        }
    )
    record = replan(given, plan, done)
    revised = dataclasses.replace(report, plan=record.plan, revision=Revision(plan, record))
    blocks = revision_blocks(revised)
    operations, lesions = tables(blocks)
    assert [row[0].text.split()[0] for row in operations.rows] == [str(o.number) for o in record.operations]
    assert operations.rows[0][0].text == "1 done"
    assert [row[0].text for row in lesions.rows] == [str(change.lesion) for change in record.lesions]
    assert "today is week 1" in operations.caption
    assert RESEARCH_NOTICE in texts(blocks)
    (pictures,) = [block for block in blocks if block.kind == "pictures"]
    assert "operation 1" in pictures.pictures[0].alt
    atlas = Atlas(revised)
    document = build_document(revised, atlas, atlas.overview(100.0)[0])
    # What was done is no operation of the plan any more, and its mark is in the tables all the same.
    assert 1 in document.operations
    assert "from today" in document.headline
    page = render_page(document)
    assert "FEV1 today" in page
    assert "expected after what was done" in page


def test_the_same_results_give_the_same_pictures(stressed):
    assert stress_report_svg(stressed.stress, stressed.plan) == stress_report_svg(
        stressed.stress, stressed.plan
    )


@pytest.mark.browser
def test_the_page_with_results_opens_and_fits_a_desk_and_a_phone(stressed, tmp_path):
    from playwright.sync_api import sync_playwright

    points = [point(2, 73.0, 6), point(3, 53.0, 9), point(3, 53.0, 19, 25.0)]
    write_report(dataclasses.replace(stressed, curve=curve(*points)), tmp_path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((tmp_path / "report.html").as_uri())
        assert said == []
        assert page.locator("nav a[href='#stress'], nav a[href='#tradeoff']").count() == 2
        wide = page.locator("figure.wide")
        assert wide.count() >= 3
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("[...document.images].filter(i => !i.naturalWidth).length") == 0
            # Words in a picture as wide as a page stay readable: it scrolls, also by the keyboard.
            shown = wide.first.locator("img").bounding_box()["width"]
            assert shown > 600
        assert wide.first.get_attribute("tabindex") == "0"
        caption = page.locator("caption").first.bounding_box()
        assert caption["x"] + caption["width"] <= 390
        browser.close()
