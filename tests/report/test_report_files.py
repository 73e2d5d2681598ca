"""The report's files: complete, escaped, self-contained, and the same each time."""

import dataclasses
import html.parser
import io
import re

import pypdf
import pytest
import report_cases as cases

from clearlung import RESEARCH_NOTICE
from clearlung.report import write_report

HOSTILE = '<script>alert("x")</script> #eval("1+1") $x^2$ {{ 7*7 }} \\u{41} "quoted" & *bold*'
WARNING = f"Beware: {HOSTILE}"


class _Page(html.parser.HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def parse(folder):
    page = _Page()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    return page


def read_pdf(folder):
    return pypdf.PdfReader(io.BytesIO((folder / "report.pdf").read_bytes()))


def words_of(page):
    """The words of a page of a PDF; reading one takes as long as drawing it."""
    return " ".join(page.extract_text().split())


@pytest.fixture(scope="module")
def report():
    base = cases.make_input()
    other = cases.make_plan(base.nodules, 12, "conservative")
    return dataclasses.replace(base, comparison=(other,))


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(report, folder)
    return folder


@pytest.fixture(scope="module")
def pdf(folder):
    """The PDF and the words of its pages."""
    reader = read_pdf(folder)
    return reader, [words_of(page) for page in reader.pages]


@pytest.fixture(scope="module")
def texts(folder, pdf):
    """Words of the page and of the PDF."""
    return parse(folder).words, " ".join(pdf[1])


def test_three_files(folder):
    assert sorted(f.name for f in folder.iterdir()) == ["plan.png", "report.html", "report.pdf"]
    assert (folder / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_every_lesion_is_in_the_page_and_in_the_pdf(texts, report):
    for text in texts:
        numbers = set(re.findall(r"\d+", text))
        assert {str(i) for i in report.nodules.id} <= numbers


def test_every_operation_has_its_section(texts, report):
    for text in texts:
        for operation in report.plan.operations:
            assert f"Operation {operation.number}: {operation.side}, week {operation.week}" in text


def test_headline_and_limits_are_there(texts):
    for text in texts:
        assert "168 of 170 metastases in 6 operations over 40 weeks, two with perfusion" in text
        assert "lobe uncertain" in text
        assert "set by the protocol" in text
        assert "assumed" in text
        assert "melphalan 50 mg, 37 °C, 30 min" in text
        assert "no technique fits" in text
        assert "Slices are 2.0 mm thick" in text
        assert "Conservative" in text


def test_notice_is_on_every_page_of_the_pdf(folder, pdf):
    _, pages = pdf
    assert len(pages) > 4
    assert all(RESEARCH_NOTICE in page for page in pages)
    words = parse(folder).words
    assert words.count(RESEARCH_NOTICE) >= 2
    assert words.index(RESEARCH_NOTICE) < words.index("168 of 170")


def test_pdf_is_tagged_dated_and_has_its_fonts_inside(pdf):
    reader, _ = pdf
    catalog = reader.trailer["/Root"]
    assert catalog["/MarkInfo"]["/Marked"] is True or catalog["/MarkInfo"]["/Marked"].value is True
    assert catalog["/Lang"].startswith("en")
    assert b"<pdfuaid:part>1</pdfuaid:part>" in catalog["/Metadata"].get_data()
    assert reader.metadata.creation_date.date().isoformat() == "2026-03-04"
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            for part in font.get("/DescendantFonts", [font]):
                descriptor = part.get_object().get("/FontDescriptor")
                assert descriptor is None or any("FontFile" in key for key in descriptor.get_object())


def test_every_picture_has_words(folder):
    pictures = [attrs for tag, attrs in parse(folder).tags if tag == "img"]
    assert len(pictures) > 20
    assert all(attrs.get("alt", "").strip() for attrs in pictures)
    maps = [attrs["alt"] for attrs in pictures if "coronal" in attrs["alt"]]
    assert "patient's right is on the picture's left" in maps[0]
    assert "34 in operation 1 (blue circle)" in maps[0]


def test_page_needs_no_network_and_no_scripts(folder):
    page = parse(folder)
    assert not [tag for tag, _ in page.tags if tag in {"script", "link", "iframe", "object", "embed", "base"}]
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action", "srcset"):
            assert attrs.get(name, "#").startswith(("#", "data:image/svg+xml;base64,"))
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


@pytest.fixture(scope="module")
def hostile():
    """A report whose every free text is hostile."""
    report = cases.make_input(12, 2, title=HOSTILE, source=HOSTILE)
    return dataclasses.replace(report, plan=report.plan.model_copy(update={"warnings": (f"{WARNING}\x07",)}))


@pytest.fixture(scope="module")
def hostile_folder(hostile, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_report(hostile, folder)
    return folder


def test_hostile_words_stay_words(hostile_folder):
    page = parse(hostile_folder)
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.words.replace(WARNING, "").count(HOSTILE) >= 2
    assert WARNING in page.words
    reader = read_pdf(hostile_folder)
    first, *others = [words_of(page) for page in reader.pages]
    assert 'alert("x")' in first
    assert '#eval("1+1")' in first
    assert "{{ 7*7 }}" in first
    _, warned = " ".join([first, *others]).split("Beware:")
    assert '#eval("1+1")' in warned
    assert b"pdfuaid" in reader.trailer["/Root"]["/Metadata"].get_data()


def test_same_input_same_bytes(hostile, hostile_folder, tmp_path):
    write_report(hostile, tmp_path)
    for name in ("report.html", "report.pdf", "plan.png"):
        assert (tmp_path / name).read_bytes() == (hostile_folder / name).read_bytes()


def test_words_that_no_font_shows_do_not_stop_the_report(tmp_path):
    write_report(cases.make_input(12, 2, title="Пациент 肺 \U0001f600 a\x00b", source="–"), tmp_path)
    assert "Пациент 肺 \U0001f600 ab" in parse(tmp_path).words
    assert "Пациент" in words_of(read_pdf(tmp_path).pages[0])


def test_a_list_without_places_gets_a_schematic(tmp_path):
    report = cases.make_input(30, 4, places=False)
    write_report(report, tmp_path)
    page = parse(tmp_path)
    pictures = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    assert any(alt.startswith("The five lobes as boxes") for alt in pictures)
    assert not any("coronal" in alt for alt in pictures)
    assert "Operation 4: left, week 24" in page.words


def test_a_plan_without_nodules(tmp_path):
    report = cases.make_input(5, 2)
    empty = cases.make_nodules(cases.make_scan()[1], 0)
    plan = cases.make_plan(empty, 0, left_out=0)
    write_report(dataclasses.replace(report, nodules=empty, plan=plan), tmp_path)
    assert "No operation is planned for 0 metastases" in parse(tmp_path).words
    assert "No operation is planned" in words_of(read_pdf(tmp_path).pages[0])


def test_findings_outside_the_plan_are_named(tmp_path):
    report = cases.make_input(12, 2)
    fewer = cases.make_nodules(cases.make_scan()[1], 10)
    plan = cases.make_plan(fewer, 2)
    write_report(dataclasses.replace(report, plan=plan), tmp_path)
    assert "2 findings not in the plan" in parse(tmp_path).words


def test_twenty_operations(tmp_path):
    write_report(cases.make_input(60, 20, spacing_mm=(4.0, 4.0, 4.0)), tmp_path)
    words = parse(tmp_path).words
    assert all(f"Operation {number}: " in words for number in range(1, 21))


@pytest.mark.browser
def test_page_opens_without_errors_and_fits(folder):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / "report.html").as_uri())
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).length")
        assert broken == 0
        # The style sheet is allowed by its hash: were it not, the body would have the browser's margin.
        assert page.evaluate("getComputedStyle(document.body).maxWidth") == "1080px"
        browser.close()
