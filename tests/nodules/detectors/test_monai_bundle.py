"""MONAI's bundle, with a stand-in of MONAI: how it is called, where its boxes lie, what goes wrong."""

import json

import numpy as np
import pytest

from clearlung.errors import DetectorError
from clearlung.nodules.detectors import parse_detector, resolve_detector
from clearlung.nodules.detectors.monai_bundle import resampled
from tests.nodules.detectors import bundles, chest


@pytest.fixture
def note(tmp_path, monkeypatch):
    """The stand-in installed; what it notes about how it was called."""
    monkeypatch.setenv("PYTHONPATH", str(bundles.install(tmp_path / "site")))
    monkeypatch.setenv("NOTE", str(tmp_path / "note.json"))
    monkeypatch.delenv("CLEARLUNG_MONAI_PYTHON", raising=False)
    return tmp_path / "note.json"


def run(folder):
    return resolve_detector(parse_detector(str(folder)))(chest.scan(), chest.anatomy(), 3.0)


def test_its_boxes_lie_on_the_balls(tmp_path, note):
    """The bundle's own setting of the frame is the other one; ours counts."""
    detector = resolve_detector(parse_detector(str(bundles.write(tmp_path / "bundle"))))
    assert detector.title == "MONAI bundle, CT lung nodule detection, version 0.6.9"
    found = detector(chest.scan(), chest.anatomy(), 3.0)
    chest.assert_finds_the_balls(found)
    np.testing.assert_array_equal(found.probability, [0.9] * 3)
    called = json.loads(note.read_text())
    assert called["spacing"] == pytest.approx([0.703125, 0.703125, 1.25])
    assert "evaluating" not in called["arguments"]


def test_bundles_of_old_are_run_by_their_own_name(tmp_path, note):
    chest.assert_finds_the_balls(run(bundles.write(tmp_path / "bundle", without=("run",))))
    assert json.loads(note.read_text())["arguments"][1] == "evaluating"


@pytest.mark.parametrize(
    ("mishap", "told"),
    [
        ("sys.exit('no memory left')", "the bundle: it ended with code 1: no memory left"),
        ("sys.exit(0)", "the bundle: it ended without writing its result"),
        (
            "open(os.path.join(settings['output_dir'], saver['filename']), 'w').write('[{'); sys.exit(0)",
            "Invalid JSON",
        ),
        (
            "json.dump([{'box': [[1, 2, 3]], 'label_scores': [1]}], "
            "open(os.path.join(settings['output_dir'], saver['filename']), 'w')); sys.exit(0)",
            r"the bundle's result, 0.box.0",
        ),
    ],
)
def test_what_goes_wrong_is_told(tmp_path, note, monkeypatch, mishap, told):
    monkeypatch.setenv("MISHAP", mishap)
    with pytest.raises(DetectorError, match=told):
        run(bundles.write(tmp_path / "bundle"))


def test_an_empty_result_is_no_nodules(tmp_path, note, monkeypatch):
    monkeypatch.setenv("MISHAP", "image = image * 0 - 1000")
    assert len(run(bundles.write(tmp_path / "bundle"))) == 0


def test_one_that_hangs_is_ended(tmp_path, note, monkeypatch):
    monkeypatch.setenv("MISHAP", "import time; time.sleep(60)")
    monkeypatch.setattr("clearlung.nodules.detectors.monai_bundle.TIME_LIMIT_S", 3.0)
    with pytest.raises(DetectorError, match="did not end"):
        run(bundles.write(tmp_path / "bundle"))


def test_without_monai_the_remedy_is_named(tmp_path, monkeypatch):
    bundles.install(tmp_path / "site", ("monai", "torch"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    folder = bundles.write(tmp_path / "bundle")
    with pytest.raises(DetectorError, match=r"MONAI: .*has no torchvision, ignite, nibabel. Install it in"):
        run(folder)
    monkeypatch.setenv("CLEARLUNG_MONAI_PYTHON", str(tmp_path / "none"))
    with pytest.raises(DetectorError, match=r"MONAI: it cannot be started: .*CLEARLUNG_MONAI_PYTHON"):
        run(folder)


@pytest.mark.parametrize("missing", ["postprocessing", "handlers", "test_datalist"])
def test_a_bundle_whose_result_is_not_understood_is_refused(tmp_path, note, missing):
    with pytest.raises(DetectorError, match=r"the bundle: configs.inference.json has no"):
        run(bundles.write(tmp_path / "bundle", without=(missing,)))


def test_weights_are_not_downloaded(tmp_path, note):
    folder = bundles.write(tmp_path / "bundle")
    (folder / "models" / "model.pt").unlink()
    with pytest.raises(DetectorError, match=r"its weights models.model.pt are not there"):
        run(folder)
    assert not note.exists()


def test_resampling_keeps_every_place():
    """Values that are linear in space are still so, at the points where the new voxels lie."""
    volume = chest.scan().volume
    z, y, x = np.indices(volume.shape)
    ramp = volume.with_array((3 * z + 5 * y - 4 * x).astype(np.int16))
    moved = resampled(ramp, (1.25, 0.703125, 0.703125))
    index = np.argwhere(np.ones(moved.shape, dtype=bool))[::997]
    at = volume.indices(moved.points_mm(index))
    np.testing.assert_allclose(moved.array[tuple(index.T)], at @ [3, 5, -4], atol=0.51)
    assert resampled(ramp, None) is ramp
