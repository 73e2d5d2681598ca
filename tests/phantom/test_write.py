"""A written phantom reads back as it was."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.ct import Volume
from clearlung.errors import OutputError
from clearlung.phantom import PhantomSpec, make_phantom, write_phantom


@pytest.fixture(scope="module")
def small():
    return make_phantom(PhantomSpec(nodules=12, seed=4, shape=(40, 48, 48)))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_round_trip(small, tmp_path, suffix):
    files = write_phantom(small, tmp_path / f"scan{suffix}")
    names = [f"scan{part}{suffix}" for part in ("", "_lungs", "_lobes", "_nodules")]
    assert [file.name for file in files] == [*names, "scan_truth.csv"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in files)
    volumes = (small.scan.volume, small.lungs, small.lobes, small.nodules)
    for file, volume in zip(files, volumes, strict=False):
        read, _ = Volume.from_sitk(sitk.ReadImage(str(file)))
        assert read.array.dtype == volume.array.dtype
        assert np.array_equal(read.array, volume.array)
        assert read.on_same_grid(volume)


def test_the_truth_is_all_there(small, tmp_path):
    *_, truth = write_phantom(small, tmp_path / "scan.nrrd")
    with truth.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["id"]) for row in rows] == list(range(1, 13))
    assert [row["touches_pleura"] == "yes" for row in rows] == small.touches_pleura.tolist()
    assert [row["touches_vessel"] == "yes" for row in rows] == small.touches_vessel.tolist()
    for column in ("x_mm", "depth_mm", "diameter_mm"):
        read = [float(row[column]) for row in rows]
        assert np.allclose(read, getattr(small.truth, column), atol=1e-3)


def test_an_empty_truth_has_its_header(tmp_path):
    phantom = make_phantom(PhantomSpec(nodules=0, shape=(40, 48, 48)))
    *_, truth = write_phantom(phantom, tmp_path / "scan.mha")
    assert truth.read_text().startswith("id,x_mm,")
    assert truth.read_text().strip().endswith("touches_pleura,touches_vessel")


def test_a_twin_that_would_be_read_instead_is_refused(small, tmp_path):
    (tmp_path / "scan_lobes.nii").write_bytes(b"")
    with pytest.raises(OutputError, match=r"scan_lobes\.nii"):
        write_phantom(small, tmp_path / "scan.nii.gz")
    assert [file.name for file in tmp_path.iterdir()] == ["scan_lobes.nii"]


@pytest.mark.parametrize("name", ["scan.png", "scan", ".nii.gz", "nowhere/scan.nii.gz"])
def test_other_names_are_refused(small, tmp_path, name):
    with pytest.raises(OutputError):
        write_phantom(small, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_writing_again_replaces(small, tmp_path):
    write_phantom(small, tmp_path / "scan.mha")
    files = write_phantom(small, tmp_path / "scan.mha")
    assert all(file.exists() for file in files)
