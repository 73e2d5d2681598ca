"""Outlines made elsewhere: kept as they are, from any grid, each nodule of its own."""

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.errors import DetectorError
from clearlung.nodules.detectors import parse_detector, resolve_detector
from tests.nodules.detectors import chest


def run(path, labels=None):
    return resolve_detector(parse_detector(str(path), labels=labels))(chest.scan(), chest.anatomy(), 3.0)


def balls(numbers=(1, 1, 1), balls=chest.BALLS):
    array = np.zeros(chest.scan().volume.shape, dtype=np.uint8)
    for number, (x, y, z, d, _) in zip(numbers, balls, strict=True):
        array[chest.BODY.ball(x, y, z, d)] = number
    return array


def write(array, path, spacing=None, origin=None):
    """Write without Clearlung's geometry."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing or chest.scan().volume.spacing_mm[::-1])
    image.SetOrigin(origin or chest.scan().volume.origin_mm)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def assert_outlines_are_kept(found, truth):
    """Every voxel of the lungs' box has the label of its row, and what was outlined is outlined."""
    np.testing.assert_array_equal(found.labels > 0, truth[chest.anatomy().box] > 0)
    assert found.labels.dtype == np.int32
    for row, place in enumerate(found.indices):
        middle = np.argwhere(found.labels == row + 1).mean(axis=0)
        np.testing.assert_allclose(middle, place, atol=1e-6)
    assert found.labels.max() == len(found)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("numbers", [(1, 1, 1), (3, 7, 200)])
def test_masks_and_label_maps(tmp_path, suffix, numbers):
    found = run(write(balls(numbers), tmp_path / f"m{suffix}"))
    chest.assert_finds_the_balls(found, within_mm=0.5, factor=1.1)
    assert_outlines_are_kept(found, balls())
    assert found.probability is None
    assert found.warnings == ()


def test_another_grid(tmp_path):
    """Twice as fine, in reversed directions."""
    truth = balls()
    fine = truth.repeat(2, 0).repeat(2, 1).repeat(2, 2)[::-1, ::-1]
    image = sitk.GetImageFromArray(np.ascontiguousarray(fine))
    dz, dy, dx = np.array(chest.scan().volume.spacing_mm) / 2
    x0, y0, z0 = np.array(chest.scan().volume.origin_mm) - np.array([dx, dy, dz]) / 2
    image.SetSpacing((dx, dy, dz))
    image.SetOrigin((x0, y0 + dy * (fine.shape[1] - 1), z0 + dz * (fine.shape[0] - 1)))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, -1))
    sitk.WriteImage(image, str(tmp_path / "m.nii.gz"))
    found = run(tmp_path / "m.nii.gz")
    chest.assert_finds_the_balls(found, within_mm=1.6, factor=1.2)


def test_a_mirrored_mask_finds_other_places(tmp_path):
    mirrored = np.ascontiguousarray(balls()[:, :, ::-1])
    found = run(write(mirrored, tmp_path / "m.nii.gz"))
    nearest = np.linalg.norm(chest.points(found)[:, None] - chest.PLACES, axis=2).min()
    assert nearest > 5


def test_a_label_in_several_pieces_is_several_nodules(tmp_path):
    found = run(write(balls((1, 1, 2)), tmp_path / "m.nii.gz"))
    chest.assert_finds_the_balls(found, within_mm=0.5, factor=1.1)
    assert found.warnings == ("Of the mask, the labels 1 are in several pieces; each counts as a nodule.",)


def test_labels_are_chosen(tmp_path, monkeypatch):
    lung = (chest.anatomy().full_lungs(chest.scan().volume.shape) > 0).astype(np.uint8)
    lung[balls() > 0] = 5
    path = write(lung, tmp_path / "m.nii.gz")
    monkeypatch.setattr("clearlung.nodules.detectors.masks.LARGEST_MM", 100.0)  # these lungs are short
    with pytest.raises(
        DetectorError, match=r"a piece of it is 1\d\d mm long: no nodule.*--detector-labels 1,2"
    ):
        run(path)
    chest.assert_finds_the_balls(run(path, "5"), within_mm=0.5, factor=1.1)
    with pytest.raises(
        DetectorError, match="--detector-labels: the mask has no label 9 on this scan; it has 1, 5"
    ):
        run(path, "9")


def test_touching_labels_stay_two_nodules(tmp_path):
    two = [(-60.0, 20.0, 30.0, 8.0, 40.0), (-53.0, 20.0, 30.0, 8.0, 40.0)]
    found = run(write(balls((1, 2), two), tmp_path / "m.nii.gz"))
    assert len(found) == 2
    assert len(run(write(balls((1, 1), two), tmp_path / "m.nii.gz"))) == 1


def seg_nrrd(path, array, names):
    """A .seg.nrrd of one layer as 3D Slicer writes it."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(chest.scan().volume.spacing_mm[::-1])
    image.SetOrigin(chest.scan().volume.origin_mm)
    for number, (label, name) in enumerate(names.items()):
        for key, value in (("Name", name), ("ID", f"Segment_{label}"), ("LabelValue", label), ("Layer", 0)):
            image.SetMetaData(f"Segment{number}_{key}", str(value))
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def test_segments_are_chosen_by_their_names(tmp_path):
    array = balls((1, 1, 2))
    array[chest.BODY.ball(60, -20, -30, 14)] = 3
    path = tmp_path / "m.seg.nrrd"
    names = {1: "Metastasis right", 2: "nodule 2", 3: "Vessel"}
    chest.assert_finds_the_balls(run(seg_nrrd(path, array, names)), within_mm=0.5, factor=1.1)
    with pytest.raises(DetectorError, match=r"none of its segments is called a nodule: 1 'rib', 2 'heart'"):
        run(seg_nrrd(path, balls((1, 1, 2)), {1: "rib", 2: "heart"}))
    assert len(run(seg_nrrd(path, balls((1, 1, 2)), {1: "Segment_1", 2: "Segment_2"}))) == 3


def test_dicom_seg(tmp_path):
    from tests.nodules.detectors import dicom_seg

    path = dicom_seg.write(tmp_path / "m.dcm", chest.scan().volume, balls() > 0)
    found = run(path)
    chest.assert_finds_the_balls(found, within_mm=0.5, factor=1.1)
    assert_outlines_are_kept(found, balls())


def test_what_is_no_mask_of_these_lungs_is_refused(tmp_path):
    path = write(balls(), tmp_path / "m.nii.gz", origin=(500.0, 0.0, 0.0))
    assert len(run(path)) == 0
    far = np.zeros(chest.scan().volume.shape, dtype=np.uint8)
    far[:4, :4, :4] = 1
    with pytest.raises(DetectorError, match="the mask: 1 of its 1 places are outside the lungs"):
        run(write(far, tmp_path / "m.nii.gz"))
    with pytest.raises(DetectorError, match=r"not whole numbers"):
        run(write(balls() * np.float32(0.3), tmp_path / "m.nii.gz"))
    (tmp_path / "m.nrrd").write_bytes(b"NRRD0004\nbroken")
    with pytest.raises(DetectorError, match=r"the \.nrrd file"):
        run(tmp_path / "m.nrrd")
