"""Volumes are written whole or not at all, and come back as they were."""

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.ct import AxisOrder, read_volume, write_volume
from clearlung.errors import OutputError

from .chests import ALL_ORDERS, chest

FORMATS = [".nii", ".nii.gz", ".nrrd", ".mha"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", "int64", "bool"]
)
def test_types_come_back(tmp_path, suffix, dtype):
    volume = chest()
    volume = volume.with_array((volume.array + 1100).clip(0, 1).astype(dtype))
    write_volume(volume, tmp_path / f"x{suffix}", ALL_ORDERS[17])
    read, order = read_volume(tmp_path / f"x{suffix}")
    assert order == ALL_ORDERS[17]
    assert read.on_same_grid(volume)
    assert read.array.dtype == (np.uint8 if dtype == "bool" else dtype)
    np.testing.assert_array_equal(read.array, volume.array)


def test_no_order_means_canonical(tmp_path):
    write_volume(chest(), tmp_path / "x.nrrd")
    assert read_volume(tmp_path / "x.nrrd")[1] == AxisOrder()


@pytest.mark.parametrize(("first", "second"), [("x.nii", "x.nii.gz"), ("x.nii.gz", "x.nii")])
def test_a_nii_is_never_written_beside_its_twin(tmp_path, first, second):
    write_volume(chest(), tmp_path / first)
    before = (tmp_path / first).read_bytes()
    with pytest.raises(OutputError, match=f"{first} exists"):
        write_volume(chest(seed=1), tmp_path / second)
    assert [path.name for path in tmp_path.iterdir()] == [first]
    write_volume(chest(seed=1), tmp_path / first)
    assert (tmp_path / first).read_bytes() != before


@pytest.mark.parametrize("error", [RuntimeError("disk full"), OSError("gone"), KeyboardInterrupt()])
@pytest.mark.parametrize("stage", ["write", "sync"])
def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch, error, stage):
    path = tmp_path / "x.nii.gz"
    write_volume(chest(), path)
    before = path.read_bytes()
    write_image = sitk.WriteImage

    def fail(*args, **options):
        if stage == "write":
            write_image(*args, **options)
        raise error

    monkeypatch.setattr(*((sitk, "WriteImage") if stage == "write" else ("os.fsync",)), fail)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError):
        write_volume(chest(seed=1), path)
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["x.nii.gz"]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("x.dcm", "suffix"),
        ("x.mhd", "suffix"),
        ("x", "suffix"),
        ("no/x.nii", "Make it first"),
        ("d.nrrd", "written"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path, name, match):
    (tmp_path / "d.nrrd").mkdir()
    with pytest.raises(OutputError, match=match):
        write_volume(chest(), tmp_path / name)


def test_types_that_no_format_has(tmp_path):
    volume = chest()
    with pytest.raises(OutputError, match=r"x\.nii cannot be written"):
        write_volume(volume.with_array(volume.array.astype(np.float16)), tmp_path / "x.nii")
    assert not list(tmp_path.iterdir())


def test_rescaled_values_of_other_volumes_are_floats(tmp_path):
    from .plain_files import write_nifti

    read, _ = read_volume(write_nifti(tmp_path / "x.nii", chest(), scale=(0.5, 1.0)))
    np.testing.assert_allclose(read.array, chest().array * 0.5 + 1.0)


def test_a_tiny_label_map_is_read_without_judgment(tmp_path):
    tiny = chest((2, 3, 4), (9.0, 20.0, 0.01))
    write_volume(tiny, tmp_path / "x.mha")
    assert read_volume(tmp_path / "x.mha")[0].on_same_grid(tiny)
