"""Results are written all or nothing, and never over something else."""

import errno
import os

import pytest

from clearlung.atomic import write_file
from clearlung.errors import OutputError
from clearlung.output import folder_all_or_nothing


def fill(folder, text="new"):
    (folder / "manifest.json").write_text("{}")
    (folder / "plan.json").write_text(text)


def test_a_result_appears_whole(tmp_path):
    with folder_all_or_nothing(tmp_path / "out", replace=False) as work:
        fill(work)
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "plan.json").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), folder_all_or_nothing(tmp_path / "out", replace=False) as work:  # noqa: PT012
        fill(work)
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_a_full_disk_and_a_place_for_no_folder_are_refused_by_name(tmp_path):
    with (
        pytest.raises(OutputError, match="out cannot be written: No space left"),
        folder_all_or_nothing(tmp_path / "out", replace=False),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(OutputError, match="cannot be written"),
        folder_all_or_nothing(tmp_path / ("x" * 250), replace=False),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_earlier_result(tmp_path):
    with folder_all_or_nothing(tmp_path / "out", replace=False) as work:
        fill(work, "old")
    with pytest.raises(KeyboardInterrupt), folder_all_or_nothing(tmp_path / "out", replace=True) as work:  # noqa: PT012
        fill(work)
        raise KeyboardInterrupt
    assert (tmp_path / "out" / "plan.json").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_an_earlier_result_is_replaced_only_when_asked(tmp_path):
    for text, replace in (("old", False), ("new", True)):
        with folder_all_or_nothing(tmp_path / "out", replace=replace) as work:
            fill(work, text)
    assert (tmp_path / "out" / "plan.json").read_text() == "new"
    with pytest.raises(OutputError, match="--force"), folder_all_or_nothing(tmp_path / "out", replace=False):
        pass
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_of_somebody_elses_is_never_replaced(tmp_path, replace):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with (
        pytest.raises(OutputError, match="something else"),
        folder_all_or_nothing(tmp_path / "out", replace=replace),
    ):
        pass
    assert (tmp_path / "out" / "thesis.docx").read_text() == "years of work"


def test_a_missing_parent_is_named(tmp_path):
    with (
        pytest.raises(OutputError, match="is not a folder"),
        folder_all_or_nothing(tmp_path / "no" / "out", replace=False),
    ):
        pass


def test_a_file_that_fails_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "scan.nii.gz"
    write_file(path, lambda work: work.write_text("old"))

    def fail(work):
        work.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_file(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["scan.nii.gz"]
