"""Programs that are asked to run: found, called as they document it, read, and their failures told."""

import json
import re
import stat
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from clearlung.anatomy.sources import CONVENTIONS, SOURCES, AnatomySource, find_parts, parse_source
from clearlung.errors import AnatomyError
from tests.anatomy import lobed


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """A folder that alone is searched for programs, and a home without weights."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("TOTALSEG_HOME_DIR", "TOTALSEG_WEIGHTS_PATH", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    return folder


def install(folder, name, body):
    """Install a program that does what Python code says."""
    program = folder / name
    program.write_text(f"#!{sys.executable}\nimport json, os, sys\n" + textwrap.dedent(body))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def copying(truth, output):
    """A program that notes how it was called and writes a ready label map."""
    return f"""
        import shutil
        arguments = sys.argv[1:]
        note = dict(arguments=arguments, home=os.environ.get("TOTALSEG_HOME_DIR"))
        if note["home"]:
            note["config"] = json.load(open(note["home"] + "/config.json"))
        json.dump(note, open({str(truth) + ".json"!r}, "w"))
        assert os.path.getsize([a for a in arguments if a.endswith("ct.nii.gz")][0]) > 1000
        shutil.copy({str(truth)!r}, {output})
        """


def run(text, **options):
    return find_parts(parse_source(text, **options), lobed.scan(), air=lobed.air())


def called(truth):
    return json.loads(truth.with_name(truth.name + ".json").read_text())


def test_totalsegmentator_runs(tmp_path, bin_folder):
    truth = lobed.write(lobed.numbered(lobed.TOTAL), tmp_path / "truth.nii.gz")
    install(bin_folder, "TotalSegmentator", copying(truth, 'arguments[arguments.index("-o") + 1]'))
    parts = run("totalsegmentator:fast")
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert parts.source == "totalsegmentator"
    assert "TotalSegmentator" in parts.title
    note = called(truth)
    assert note["arguments"][4:7] == ["--ml", "--fast", "--roi_subset"]
    assert len(note["arguments"]) == 12
    assert note["config"]["send_usage_stats"] is False
    assert not Path(note["home"]).exists()


def test_lungmask_runs(tmp_path, bin_folder):
    truth = lobed.write(lobed.numbered(lobed.LUNGMASK), tmp_path / "truth.nii.gz")
    install(bin_folder, "lungmask", copying(truth, "arguments[1]"))
    parts = run("lungmask")
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert called(truth)["arguments"][2:] == ["--modelname", "LTRCLobes_R231"]
    truth = lobed.write(lobed.lungs(), truth)
    parts = run("lungmask:lungs")
    np.testing.assert_array_equal(parts.lungs, lobed.lungs())
    assert called(truth)["arguments"][2:] == ["--modelname", "R231"]


def test_what_a_program_exchanges_is_refused(tmp_path, bin_folder):
    truth = lobed.write(lobed.mirrored(lobed.numbered(lobed.LUNGMASK)), tmp_path / "truth.nii.gz")
    install(bin_folder, "lungmask", copying(truth, "arguments[1]"))
    with pytest.raises(AnatomyError, match="exchanged"):
        run("lungmask")


@pytest.mark.parametrize("name", ["totalsegmentator", "lungmask"])
def test_a_missing_program_names_the_remedy(bin_folder, monkeypatch, name):
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    assert not SOURCES[name].installed
    with pytest.raises(AnatomyError, match=r"not installed.*pip install.*--anatomy FILE"):
        run(name)


def test_a_failing_program_is_quoted(bin_folder):
    install(bin_folder, "lungmask", 'sys.exit("no weights: the network is down")')
    with pytest.raises(AnatomyError, match="code 1: no weights: the network is down"):
        run("lungmask")
    install(bin_folder, "lungmask", "pass")
    with pytest.raises(AnatomyError, match="without writing"):
        run("lungmask")


def test_a_program_that_hangs_is_ended(bin_folder, monkeypatch):
    install(bin_folder, "lungmask", "import time; time.sleep(60)")
    monkeypatch.setattr("clearlung.anatomy.sources.registry.TIME_LIMIT_S", 0.5)
    with pytest.raises(AnatomyError, match="did not end"):
        run("lungmask")


def test_offline_needs_the_weights(tmp_path, bin_folder):
    truth = lobed.write(lobed.numbered(lobed.TOTAL), tmp_path / "truth.nii.gz")
    install(bin_folder, "TotalSegmentator", copying(truth, 'arguments[arguments.index("-o") + 1]'))
    with pytest.raises(AnatomyError, match="nothing may be downloaded"):
        run("totalsegmentator", offline=True)
    weights = tmp_path / "home" / ".totalsegmentator" / "nnunet" / "results"
    for name in (
        "Dataset291_TotalSegmentator_part1_organs_1559subj",
        "Dataset298_TotalSegmentator_total_6mm_1559subj",
    ):
        (weights / name).mkdir(parents=True)
    np.testing.assert_array_equal(run("totalsegmentator", offline=True).lobes, lobed.lobes())
    install(bin_folder, "lungmask", "pass")
    with pytest.raises(AnatomyError, match="nothing may be downloaded"):
        run("lungmask", offline=True)


def test_a_file_and_our_own_method(tmp_path):
    path = lobed.write(lobed.lobes(), tmp_path / "lobes.nii.gz")
    assert run(str(path), labels="clearlung").source == "file"
    assert run(None) is None
    assert run("classical") is None


def test_sources_are_asked_for_by_name_or_path():
    assert parse_source("lungmask:lungs") == AnatomySource("lungmask", model="lungs")
    assert parse_source("./lungmask").name == "file"
    assert parse_source("seg.nrrd", "cip").labels == "cip"
    assert parse_source(None).name == "classical"
    with pytest.raises(AnatomyError, match="empty"):  # a shell's variable that was never set
        parse_source("")
    with pytest.raises(AnatomyError, match="no file is given"):
        parse_source(None, "cip")
    with pytest.raises(AnatomyError, match=r"no model 'small'.*total, fast"):
        parse_source("totalsegmentator:small")
    with pytest.raises(AnatomyError, match="lungmask is none"):
        parse_source("lungmask", "cip")


def test_every_source_says_what_it_is():
    assert list(SOURCES) == ["classical", "file", "totalsegmentator", "lungmask"]
    for source in SOURCES.values():
        assert source.title
        assert source.license
        assert source.notes
        assert source.provides


def test_the_document_names_every_source_and_convention():
    text = (Path(__file__).parents[2] / "docs" / "anatomy-sources.md").read_text()
    documented = re.findall(r"^\| `([a-z0-9-]+)` \|", text, flags=re.MULTILINE)
    assert documented == list(CONVENTIONS)
    for name, source in SOURCES.items():
        for model in list(source.program.models)[1:] if source.program else []:
            assert f"`{name}:{model}`" in text
        assert f"--anatomy {'FILE' if name == 'file' else name}`" in text
