"""Lists of places: whose frame is said, and read as it is said."""

import json
from dataclasses import replace

import numpy as np
import pytest

from clearlung.errors import DetectorError
from clearlung.nodules.detectors import parse_detector, resolve_detector
from tests.nodules.detectors import chest

HEADERS = {"x_mm,y_mm,z_mm": 1, "coordX,coordY,coordZ": 1, "x_ras_mm,y_ras_mm,z_ras_mm": -1}


def run(path, frame=None):
    return resolve_detector(parse_detector(str(path), frame=frame))(chest.scan(), chest.anatomy(), 3.0)


def write_csv(path, header="x_mm,y_mm,z_mm", sign=1, more=(), size="diameter_mm", separator=","):
    rows = [(header + "," + size).split(",")]
    for (x, y, z), d in zip(chest.PLACES, chest.DIAMETERS, strict=True):
        rows.append([sign * x, sign * y, z, *[d] * len(size.split(","))])
    for row in more:
        rows.append(row)
    path.write_text("\n".join(separator.join(map(str, row)) for row in rows) + "\n")
    return path


def boxes(sign=1):
    return np.hstack(
        [chest.PLACES * [sign, sign, 1], np.repeat(chest.DIAMETERS[:, None], 3, axis=1)]
    ).tolist()


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("size", ["diameter_mm", "size_x_mm,size_y_mm,size_z_mm"])
def test_the_columns_say_the_frame(tmp_path, header, size):
    found = run(write_csv(tmp_path / "a.csv", header, HEADERS[header], size=size, separator=";"))
    chest.assert_finds_the_balls(found, within_mm=1e-6, factor=1.001)
    assert found.probability is None
    assert found.warnings == ()


def test_the_option_says_the_frame(tmp_path):
    chest.assert_finds_the_balls(run(write_csv(tmp_path / "a.csv", sign=-1), "RAS"), 1e-6, 1.001)
    with pytest.raises(DetectorError, match=r"--detector-frame.*are RAS by their names"):
        run(write_csv(tmp_path / "a.csv", "x_ras_mm,y_ras_mm,z_ras_mm"), "LPS")


def test_luna16_with_probabilities(tmp_path):
    path = tmp_path / "luna.csv"
    rows = [
        f"1.2.3,{x},{y},{z},{d},{0.5 + i / 10}"
        for i, ((x, y, z), d) in enumerate(zip(chest.PLACES, chest.DIAMETERS, strict=True))
    ]
    path.write_text("\n".join(["seriesuid,coordX,coordY,coordZ,diameter_mm,probability", *rows]))
    found = run(path)
    np.testing.assert_allclose(found.probability, [0.7, 0.6, 0.5])
    np.testing.assert_allclose(chest.points(found), chest.PLACES[::-1])
    path.write_text(path.read_text() + "\n9.9.9,1,2,3,4,0.5")
    with pytest.raises(DetectorError, match="seriesuid: the file lists 2 scans"):
        run(path)


def test_some_places_outside_are_warned_about_and_most_are_refused(tmp_path):
    found = run(write_csv(tmp_path / "a.csv", more=[(0, 0, 0, 5)]))
    assert len(found) == 3
    assert found.warnings == ("1 of 4 places of the boxes file are outside the lungs and were left out.",)
    far = [(0, 0, -90, 5)] * 4
    with pytest.raises(DetectorError, match=r"4 of its 7 places are outside the lungs. Were they found on"):
        run(write_csv(tmp_path / "a.csv", more=far))


def test_a_frame_that_is_wrong_is_named(tmp_path):
    lungs = chest.anatomy().lungs
    right = lungs.with_array(np.where(lungs.array == 1, 1, 0).astype(np.uint8))
    detector = resolve_detector(parse_detector(str(write_csv(tmp_path / "a.csv", sign=-1))))
    with pytest.raises(DetectorError, match=r"2 of its 3 places.*signs of x and y turned, 2 are inside.*RAS"):
        detector(chest.scan(), replace(chest.anatomy(), lungs=right), 3.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x_mm,y_mm,diameter_mm\n", "line 1: names no place"),
        ("x_mm,y_mm,z_mm\n", "line 1: names no size"),
        ("x_mm,y_mm,z_mm,diameter_mm,x_mm\n", "line 1, x_mm: stands twice"),
        ("x_mm,y_mm,z_mm,diameter_mm\n1,2,3,0\n", r"line 2, diameter_mm: takes mm from 0.1 to 200, not '0'"),
        ("x_mm,y_mm,z_mm,diameter_mm\n1,2,nan,5\n", "line 2, z_mm: takes mm, not 'nan'"),
        ("x_mm,y_mm,z_mm,diameter_mm\n1,2,3,4,5\n", "line 2: has more cells"),
        ("x_mm,y_mm,z_mm,diameter_mm,probability\n1,2,3,4,50\n", "line 2, probability: takes a number"),
    ],
)
def test_a_slip_is_named_by_its_line_and_column(tmp_path, text, told):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DetectorError, match=told):
        run(tmp_path / "a.csv")


def test_a_list_without_rows_is_no_nodules(tmp_path):
    (tmp_path / "a.csv").write_text("x_mm,y_mm,z_mm,diameter_mm\n")
    assert len(run(tmp_path / "a.csv")) == 0


def test_json_with_its_frame(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps({"frame": "RAS", "mode": "cccwhd", "boxes": boxes(-1), "scores": [0.9, 0.8, 0.7]})
    )
    found = run(path)
    chest.assert_finds_the_balls(found, 1e-6, 1.001)
    np.testing.assert_allclose(found.probability, [0.9, 0.8, 0.7])
    with pytest.raises(DetectorError, match="it is in RAS, not LPS"):
        run(path, "LPS")
    path.write_text(json.dumps({"frame": "LPS", "mode": "xyzxyz", "boxes": boxes()}))
    with pytest.raises(DetectorError, match=r"box 1: measures .* Is the mode xyzxyz"):
        run(path)
    path.write_text("{nothing")
    with pytest.raises(DetectorError, match="Invalid JSON"):
        run(path)


def test_monais_result_needs_its_frame(tmp_path):
    path = tmp_path / "result.json"
    whole = [{"box": boxes(), "label": [0, 0, 0], "label_scores": [0.9, 0.8, 0.7], "image": "ct.nii.gz"}]
    path.write_text(json.dumps(whole))
    with pytest.raises(DetectorError, match=r"--detector-frame: MONAI's result does not say"):
        run(path)
    chest.assert_finds_the_balls(run(path, "lps"), 1e-6, 1.001)
    path.write_text(json.dumps(whole * 2))
    with pytest.raises(DetectorError, match="results of 2 images"):
        run(path, "LPS")
