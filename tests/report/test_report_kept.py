"""What a folder keeps of a report writes the identical report, without the scan."""

import numpy as np
import pytest
import report_cases as cases

from clearlung import report_folder
from clearlung.errors import OutputError
from clearlung.report import write_report
from clearlung.report.projections import ALL_VIEWS, places_mm

FILES = ("report.html", "report.pdf", "plan.png")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A report and the folder that keeps it."""
    report = cases.make_input(20, 3, spacing_mm=(4.0, 4.0, 4.0))
    other = cases.make_plan(report.nodules, 5, "conservative")
    report = cases.replace(report, comparison=(other,))
    monkeypatch.setattr(report_folder, "read_planned", lambda folder: (None, report.plan))
    # Its plan was made up, and no problem belongs to it.
    monkeypatch.setattr(report_folder, "perfusion_pages", lambda problem, plan: report.perfusions)
    report_folder.keep_report(report, tmp_path)
    return report, tmp_path


def test_the_report_is_the_same_byte_for_byte(kept):
    report, folder = kept
    for name, source in (("before", report), ("after", report_folder.read_report(folder))):
        (folder / name).mkdir()
        write_report(source, folder / name)
    for name in FILES:
        assert (folder / "before" / name).read_bytes() == (folder / "after" / name).read_bytes()


def test_the_projections_come_back_as_they_were(kept):
    report, folder = kept
    lungs, again = report.lungs, report_folder.read_report(folder).lungs
    assert again.scan == lungs.scan
    assert again.lobe_method == lungs.lobe_method
    for view in ALL_VIEWS:
        before, after = lungs.behind(view), again.behind(view)
        assert after.extent_mm == before.extent_mm
        assert np.array_equal(after.gray, before.gray, equal_nan=True)
        for old, new in ((before.lungs, after.lungs), (before.lobes, after.lobes)):
            assert list(old) == list(new)
            assert all(np.array_equal(old[name], new[name]) for name in old)


def test_places_are_those_of_the_scan(kept):
    report, _ = kept
    _, anatomy = cases.make_scan((4.0, 4.0, 4.0))
    assert report.lungs.places_mm(report.nodules) == pytest.approx(places_mm(report.nodules, anatomy))


def test_a_damaged_file_is_refused(kept):
    _, folder = kept
    file = folder / report_folder.KEPT
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(OutputError, match="damaged"):
        report_folder.read_report(folder)
