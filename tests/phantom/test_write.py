"""A written phantom reads back as it was."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.ct import Volume
from clearlung.errors import OutputError
from clearlung.phantom import write_phantom


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_round_trip(tiny, tmp_path, suffix):
    files = write_phantom(tiny, tmp_path / f"scan{suffix}")
    names = [f"scan{part}{suffix}" for part in ("", "_lungs", "_lobes", "_nodules")]
    assert [file.name for file in files] == [*names, "scan_truth.csv"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in files)
    volumes = (tiny.scan.volume, tiny.lungs, tiny.lobes, tiny.nodules)
    for file, volume in zip(files, volumes, strict=False):
        read, _ = Volume.from_sitk(sitk.ReadImage(str(file)))
        assert read.array.dtype == volume.array.dtype
        assert np.array_equal(read.array, volume.array)
        assert read.on_same_grid(volume)


def test_the_truth_is_all_there(tiny, tmp_path):
    *_, truth = write_phantom(tiny, tmp_path / "scan.nrrd")
    with truth.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["id"]) for row in rows] == list(range(1, 21))
    assert [row["touches_pleura"] == "yes" for row in rows] == tiny.touches_pleura.tolist()
    assert [row["touches_vessel"] == "yes" for row in rows] == tiny.touches_vessel.tolist()
    for column in ("x_mm", "depth_mm", "diameter_mm"):
        read = [float(row[column]) for row in rows]
        assert np.allclose(read, getattr(tiny.truth, column), atol=1e-3)


def test_an_empty_truth_has_its_header(empty, tmp_path):
    *_, truth = write_phantom(empty, tmp_path / "scan.mha")
    assert truth.read_text().startswith("id,x_mm,")
    assert truth.read_text().strip().endswith("touches_pleura,touches_vessel")


def test_a_twin_that_would_be_read_instead_is_refused(tiny, tmp_path):
    (tmp_path / "scan_lobes.nii").write_bytes(b"")
    with pytest.raises(OutputError, match=r"scan_lobes\.nii"):
        write_phantom(tiny, tmp_path / "scan.nii.gz")
    assert [file.name for file in tmp_path.iterdir()] == ["scan_lobes.nii"]


@pytest.mark.parametrize("name", ["scan.png", "scan", ".nii.gz", "nowhere/scan.nii.gz"])
def test_other_names_are_refused(tiny, tmp_path, name):
    with pytest.raises(OutputError):
        write_phantom(tiny, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_writing_again_replaces(tiny, tmp_path):
    write_phantom(tiny, tmp_path / "scan.mha")
    files = write_phantom(tiny, tmp_path / "scan.mha")
    assert all(file.exists() for file in files)
