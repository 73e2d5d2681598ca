"""`clearlung anatomy`: what it leaves on disk lies on the scan's grid and says what was found."""

import json

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LUNG_LABELS, parse_source, segment_anatomy
from clearlung.anatomy_folder import anatomy_schema, describe_anatomy, write_anatomy
from clearlung.anatomy_summary import anatomy_lines, anatomy_table
from clearlung.cli import app
from clearlung.ct import AxisOrder, read_scan, write_volume
from clearlung.errors import OutputError

MAPS = ("lungs", "lobes", "lobe_confidence", "airways", "vessels", "pleura")


def in_the_right_upper_lobe(phantom):
    """A place well inside it."""
    lobes = phantom.lobes
    return lobes.points_mm(np.argwhere(lobes.array == LOBE_LABELS["RUL"]).mean(axis=0))[0]


@pytest.fixture(scope="module")
def point(coarse):
    return in_the_right_upper_lobe(coarse)


@pytest.fixture(scope="module")
def out(coarse, point, tmp_path_factory):
    """The command's result on a scan whose file has another axis order than ours."""
    folder = tmp_path_factory.mktemp("anatomy")
    order = AxisOrder((2, 0, 1), (True, False, True))
    write_volume(coarse.scan.volume, folder / "scan.nrrd", order)
    asked = ",".join(f"{c:.2f}" for c in point)
    command = ["anatomy", str(folder / "scan.nrrd"), "-o", str(folder / "out"), f"--point={asked}", "--json"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["points"][0]["lobe"] == "RUL"
    return folder / "out"


def test_everything_promised_is_there_and_nothing_else(out):
    promised = {f"{name}.nii.gz" for name in MAPS} | {"anatomy.json", "anatomy.png", "manifest.json"}
    assert {path.name for path in out.iterdir()} == promised


@pytest.mark.parametrize("name", MAPS)
def test_every_map_lies_on_the_files_own_grid(out, name):
    scan = sitk.ReadImage(str(out.parent / "scan.nrrd"))
    labels = sitk.ReadImage(str(out / f"{name}.nii.gz"))
    assert labels.GetSize() == scan.GetSize()
    np.testing.assert_allclose(labels.GetOrigin(), scan.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(labels.GetSpacing(), scan.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(labels.GetDirection(), scan.GetDirection(), atol=1e-5)


def test_the_maps_agree_with_each_other_and_with_the_truth(out, coarse):
    maps = {name: read(out / f"{name}.nii.gz", out.parent / "scan.nrrd") for name in MAPS}
    lungs, lobes = maps["lungs"], maps["lobes"]
    sides = np.zeros(6, dtype=int)
    for lobe, label in LOBE_LABELS.items():
        sides[label] = LUNG_LABELS[LOBE_SIDES[lobe]]
    np.testing.assert_array_equal(sides[lobes.astype(int)], lungs)
    assert not maps["lobe_confidence"][lungs == 0].any()
    assert 0 <= maps["lobe_confidence"].min() <= maps["lobe_confidence"].max() <= 1
    assert not maps["pleura"][lungs == 0].any()
    true = coarse.lungs.array
    assert 2 * np.sum((lungs > 0) & (true > 0)) / np.sum((lungs > 0) + 0 + (true > 0)) > 0.97
    assert (lungs[true > 0] == true[true > 0]).mean() > 0.97


def read(path, scan):
    """A map in canonical axes, by another reader than the one under test."""
    image = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    assert image.GetSize() == sitk.DICOMOrient(sitk.ReadImage(str(scan)), "LPS").GetSize()
    return sitk.GetArrayFromImage(image)


def test_the_record_keeps_its_published_schema(out):
    record = json.loads((out / "anatomy.json").read_text())
    jsonschema.validate(record, json.loads(anatomy_schema()))
    assert record["format"] == "clearlung-anatomy/1"
    assert "Research software" in record["notice"]


def test_the_record_measures_what_the_maps_show(out):
    record = json.loads((out / "anatomy.json").read_text())
    image = sitk.ReadImage(str(out / "lobes.nii.gz"))
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000
    lobes = sitk.GetArrayFromImage(image)
    for lobe, label in record["labels"]["lobes"].items():
        assert record["lobes"][lobe]["volume_ml"] == pytest.approx(np.sum(lobes == label) * voxel_ml, abs=0.1)
    for side, lung in record["lungs"].items():
        own = [record["lobes"][lobe] for lobe in record["lobes"] if LOBE_SIDES[lobe] == side]
        assert lung["tissue_ml"] == pytest.approx(sum(part["tissue_ml"] for part in own), abs=0.3)
        assert lung["air_ml"] + lung["tissue_ml"] == pytest.approx(lung["volume_ml"], abs=0.2)
    assert {"anatomy.emphysema_below", "anatomy.lobe_sure"} <= {e["id"] for e in record["evidence"]}


def test_branches_hang_together(out):
    record = json.loads((out / "anatomy.json").read_text())
    assert record["airways"]
    for tree in (record["airways"], record["vessels"]):
        for place, branch in enumerate(tree):
            parent = branch["parent"]
            assert (parent is None) == (branch["generation"] == 0)
            if parent is not None:
                assert parent < place
                assert branch["generation"] == tree[parent]["generation"] + 1


def test_a_point_is_told_where_it_lies(out, point, coarse):
    (found,) = json.loads((out / "anatomy.json").read_text())["points"]
    assert found["lobe"] == "RUL"
    assert found["side"] == "right"
    assert found["depth_mm"] == pytest.approx(float(coarse.depth_mm(point[None])[0]), abs=2.5)
    nearest = min(d for part, d in found["depth_by_part_mm"].items() if part != "fissural" and d)
    assert nearest == pytest.approx(found["depth_mm"], abs=2.5)
    assert found["bronchus_mm"] is not None
    assert found["vessel_mm"] is not None


def test_the_picture_is_a_picture(out):
    import matplotlib.image

    pixels = matplotlib.image.imread(out / "anatomy.png")
    assert pixels.shape[0] > 800
    assert pixels.shape[1] > 1200
    assert len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)) > 1000


def test_vessels_made_elsewhere_have_their_own_tree_and_their_hash(out, tmp_path):
    """Ours again as a file: the tree is of that mask, and the manifest names the file."""
    from clearlung.manifest import file_sha256, inputs_of

    scan = read_scan(out.parent / "scan.nrrd")
    source = parse_source(str(out / "vessels.nii.gz"), "totalsegmentator-lung-vessels")
    found = segment_anatomy(scan, source)
    given = read(out / "vessels.nii.gz", out.parent / "scan.nrrd")
    np.testing.assert_array_equal(found.vessels.array, given[found.box])
    assert len(found.vessel_tree) > 20
    _, anatomy = inputs_of(scan.source, scan.input_sha256, source.path)
    assert anatomy.sha256 == file_sha256(out / "vessels.nii.gz")


@pytest.mark.parametrize("text", ["1,2", "nan,0,0", "0,inf,0", "1,2,3,4", ""])
def test_a_point_that_is_none_is_a_usage_error(tmp_path, text):
    done = CliRunner().invoke(app, ["anatomy", "scan.nii", "-o", str(tmp_path / "x"), f"--point={text}"])
    assert done.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_an_earlier_result_is_not_replaced_without_being_told(out):
    before = (out / "manifest.json").read_bytes()
    with pytest.raises(OutputError, match="--force"):
        write_anatomy(None, None, out, options={})  # refused before anything is looked at
    assert (out / "manifest.json").read_bytes() == before


def test_the_terminal_is_told_the_same(healthy, healthy_anatomy):
    record = describe_anatomy(healthy_anatomy, healthy.scan, [tuple(in_the_right_upper_lobe(healthy))])
    assert anatomy_table(record).row_count == 7
    lines = "\n".join(anatomy_lines(record))
    assert "Airways:" in lines
    assert "RUL" in lines
