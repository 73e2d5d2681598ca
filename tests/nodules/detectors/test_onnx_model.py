"""ONNX models with a contract: the same places whatever the model's axes, and clear errors."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from clearlung.errors import DetectorError
from clearlung.nodules.detectors import DetectorSource, parse_detector, resolve_detector
from clearlung.nodules.detectors.weights import has_outside_weights
from tests.nodules.detectors import chest, models


def run(folder, smallest_mm=3.0):
    return resolve_detector(parse_detector(str(folder)))(chest.scan(), chest.anatomy(), smallest_mm)


@pytest.mark.parametrize(
    ("layout", "axes", "spacing", "patch"),
    [
        ("NCZYX", "LPS", (2.0, 2.0, 2.0), None),
        ("NCXYZ", "RAS", (2.0, 2.0, 2.0), None),
        ("NCYXZ", "LAI", (1.5, 1.6, 2.0), None),
        ("NZYXC", "RPS", "native", None),
        ("NCZYX", "LPS", (1.5, 1.6, 2.0), (40, 36, 32)),
        ("NCXYZ", "RAS", (2.0, 2.0, 2.0), (24, 32, 28)),
    ],
)
def test_a_heatmap_finds_the_balls_however_the_model_looks(tmp_path, layout, axes, spacing, patch):
    folder = models.ball_heatmap(tmp_path / "m", layout, axes, spacing, patch, fixed=patch is not None)
    found = run(folder)
    chest.assert_finds_the_balls(found)
    assert (np.diff(found.probability) <= 0).all()
    assert found.labels is None


def test_a_mirrored_contract_has_other_places():
    """The test above would not fail for axes that are exchanged if the balls were symmetric."""
    mirrored = chest.PLACES * [-1, 1, 1]
    assert np.linalg.norm(mirrored[:, None] - chest.PLACES, axis=2).min() > 5


@pytest.mark.parametrize("mode", ["cccwhd", "xyzxyz", "zyxzyx"])
@pytest.mark.parametrize(("unit", "zero"), [("mm", "voxel_center"), ("voxel", "voxel_edge")])
def test_boxes_lie_where_the_contract_says(tmp_path, mode, unit, zero):
    lungs = chest.anatomy().lungs
    inside = np.argwhere(lungs.array)
    first, last = inside.min(axis=0), inside.max(axis=0)
    # RAS: the window's first voxel is the lungs' most left and posterior one, and the lowest.
    corner = lungs.points_mm([[first[0], last[1], last[2]]])[0]
    centers = (chest.PLACES - corner) * [-1, -1, 1]
    sizes = np.repeat(chest.DIAMETERS[:, None], 3, axis=1)
    if unit == "voxel":
        spacing = np.array(lungs.spacing_mm[::-1])
        centers, sizes = centers / spacing + 0.5, sizes / spacing
    low, high = centers - sizes / 2, centers + sizes / 2
    boxes = {
        "cccwhd": np.hstack([centers, sizes]),
        "xyzxyz": np.hstack([low, high]),
        "zyxzyx": np.hstack([low[:, ::-1], high[:, ::-1]]),
    }[mode]
    # One more of a nodule that is there already, one that is improbable, and one far from the lungs.
    boxes = np.vstack([boxes, boxes[0] + 0.3, boxes[1], boxes[0] + 900])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.05, 0.9])
    found = run(models.constant_boxes(tmp_path / "m", boxes, scores, mode=mode, unit=unit, zero=zero))
    chest.assert_finds_the_balls(found, within_mm=0.01, factor=1.001)
    np.testing.assert_allclose(found.probability, [0.9, 0.8, 0.7], atol=1e-6)


def test_no_boxes_are_no_nodules(tmp_path):
    assert len(run(models.constant_boxes(tmp_path / "m", np.empty((0, 6)), np.empty(0)))) == 0


@pytest.mark.parametrize("batch", ["n", 4])
def test_a_filter_judges_the_built_in_candidates(tmp_path, batch):
    found = run(models.bright_middle(tmp_path / "m", batch))
    assert len(found) >= 3
    # Some are at the pleura, where it is bright too; all balls are there, and sure.
    distance = np.linalg.norm(chest.points(found)[:, None] - chest.PLACES, axis=2)
    nearest = distance.argmin(axis=0)
    assert distance.min(axis=0).max() < 2.0
    assert (found.probability[nearest] > 0.99).all()
    assert (found.probability >= 0.5).all()


def test_what_is_known_about_it_goes_with_it(tmp_path):
    folder = models.ball_heatmap(tmp_path / "m")
    models.change(folder, about__slices_mm=[0.5, 1.25])
    detector = resolve_detector(parse_detector(str(folder / "detector.json")))
    assert (detector.kind, detector.title, detector.license) == ("onnx", "a test's detector", "Apache-2.0")
    assert len(detector.sha256) == 64
    found = detector(chest.scan(), chest.anatomy(), 3.0)
    assert found.warnings == (
        "a test's detector is meant for slices 0.5 to 1.25 mm apart; these are 2 mm apart.",
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "clearlung-detector/2"}, r"detector.json, format"),
        ({"input__layout": "NCZYY"}, r"input.layout: .*each of N, C, X, Y and Z once"),
        ({"input__channels": ["hu"]}, r"input.channels: it makes 1 along C, and the model wants 2"),
        ({"input__window_hu": [40, -850]}, r"input: .*lower one first"),
        ({"input__sees": "candidates"}, r"input: .*patch_voxels must be given"),
        ({"input__name": "ct"}, r"input.name: the model has no input 'ct'; it has image"),
        ({"input__spacing": 1}, r"input.spacing: Extra inputs are not permitted"),
        ({"output__name": "map"}, r"output.name: the model has no output 'map'; it has heat"),
        ({"output__diameter": "size"}, r"output.diameter: the model has no output 'size'"),
        ({"model__file": "../model.onnx"}, r"model.file: String should match"),
        ({"model__file": "other.onnx"}, r"model.file: other.onnx cannot be read beside the contract"),
        ({"model__sha256": "0" * 64}, r"model.sha256: model.onnx is another file than the one described"),
        ({"about": {"license": "MIT"}}, r"about.source: Field required"),
    ],
)
def test_what_contradicts_itself_is_refused_when_it_is_loaded(tmp_path, changes, told):
    folder = models.ball_heatmap(tmp_path / "m")
    models.change(folder, **changes)
    with pytest.raises(DetectorError, match=told):
        resolve_detector(DetectorSource("onnx", "", folder))


def test_a_fixed_size_is_compared_with_the_contract(tmp_path):
    folder = models.ball_heatmap(tmp_path / "m", patch=(40, 36, 32), fixed=True)
    models.change(folder, input__patch_voxels=models.xyz((36, 40, 32)))
    with pytest.raises(DetectorError, match=r"patch_voxels: it makes 40 along Y, and the model wants 36"):
        resolve_detector(DetectorSource("onnx", "", folder))
    models.change(folder, input__patch_voxels=None, input__sees="lungs")
    with pytest.raises(DetectorError, match=r"size along Z is fixed to 32.*whole lungs"):
        resolve_detector(DetectorSource("onnx", "", folder))


def test_what_it_returns_is_checked_too(tmp_path):
    folder = models.ball_heatmap(tmp_path / "m")
    models.change(folder, output__stride=2)
    with pytest.raises(DetectorError, match=r"output: the model returns 'heat' with the shape .*stride 2"):
        run(folder)
    models.change(folder, output__stride=1, output__index=1)
    with pytest.raises(DetectorError, match=r"output.index: it asks for channel 1.*returns 1"):
        run(folder)
    logits = models.bright_middle(tmp_path / "f")
    models.change(logits, output__activation="none")
    with pytest.raises(DetectorError, match=r"output.activation: .*no probabilities"):
        run(logits)
    boxes = models.constant_boxes(tmp_path / "b", np.zeros((2, 6)), [np.nan, 1.0])
    with pytest.raises(DetectorError, match=r"output scores: .*no finite numbers"):
        run(boxes)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    folder = models.ball_heatmap(tmp_path / "m")
    for raw in (b"\x80\x04pickle", b"\x08\x08", bytes(range(256))):
        (folder / "model.onnx").write_bytes(raw)
        models.change(folder, model__sha256=hashlib.sha256(raw).hexdigest())
        with pytest.raises(DetectorError, match="the model: it is no"):
            resolve_detector(DetectorSource("onnx", "", folder))


def test_weights_in_other_files_are_refused(tmp_path):
    weight = numpy_helper.from_array(np.ones((64, 64), dtype=np.float32), "w")
    inside = helper.make_graph([], "g", [], [], initializer=[weight])
    model = helper.make_model(inside)
    assert not has_outside_weights(model.SerializeToString())
    onnx.save_model(
        model, str(tmp_path / "out.onnx"), save_as_external_data=True, location="w.bin", size_threshold=0
    )
    assert has_outside_weights((tmp_path / "out.onnx").read_bytes())
    # Hidden in a node's attribute, inside a graph of its own.
    outside = onnx.load(str(tmp_path / "out.onnx"), load_external_data=False).graph
    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=outside, else_branch=helper.make_graph([], "e", [], [])
    )
    nested = helper.make_model(helper.make_graph([node], "g", [], []))
    assert has_outside_weights(nested.SerializeToString())
