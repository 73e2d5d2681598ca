"""3D Slicer's .seg.nrrd: layers, cropped extents, names and terms; written here byte by byte."""

import gzip

import numpy as np
import pytest

from clearlung.anatomy import LOBES
from clearlung.anatomy.sources import read_anatomy_file
from clearlung.errors import AnatomyError
from tests.anatomy import lobed

NAMES = ("right upper lobe", "right middle lobe", "right lower lobe", "left upper lobe", "left lower lobe")
TISSUE = "SCT^85756007^Tissue~SCT^85756007^Tissue~^^~Anatomic codes - DICOM master list~^^~^^"
UPPER_RIGHT = "SCT^123037004^Anatomical Structure~SCT^45653009^Upper lobe of lung~SCT^24028007^Right~~^^~^^"


def read(path):
    return read_anatomy_file(path, lobed.scan(), air=lobed.air())


def write_seg(path, layers, segments, start=(0, 0, 0), encoding="gzip", damage=None):
    """Write layers of shape (z, y, x) that begin at a voxel of the scan's grid.

    ``segments`` are (name, layer, label, terminology entry); a layer of None is left out, as old files do.
    """
    volume = lobed.scan().volume
    dz, dy, dx = volume.spacing_mm
    ox, oy, oz = volume.points_mm([start])[0]
    z, y, x = layers[0].shape
    many = len(layers) > 1
    header = [
        "NRRD0004",
        "# written for a test",
        "type: unsigned char",
        f"dimension: {4 if many else 3}",
        "space: left-posterior-superior",
        f"sizes: {f'{len(layers)} ' if many else ''}{x} {y} {z}",
        f"space directions: {'none ' if many else ''}({dx},0,0) (0,{dy},0) (0,0,{dz})",
        f"kinds: {'list ' if many else ''}domain domain domain",
        f"encoding: {encoding}",
        f"space origin: ({ox},{oy},{oz})",
        "Segmentation_ConversionParameters:=Smoothing factor|0.5|Range: 0 to 1&",
        "Segmentation_ReferenceImageExtentOffset:=" + " ".join(map(str, start[::-1])),
    ]
    for number, (name, layer, label, terms) in enumerate(segments):
        header += [f"Segment{number}_ID:=Segment_{number}", f"Segment{number}_Name:={name}"]
        header += [f"Segment{number}_Extent:=0 {x - 1} 0 {y - 1} 0 {z - 1}"]
        header += [f"Segment{number}_Tags:=Segmentation.Status:completed|TerminologyEntry:any~{terms}|"]
        if layer is not None:
            header += [f"Segment{number}_LabelValue:={label}", f"Segment{number}_Layer:={layer}"]
    voxels = np.stack(layers, axis=-1).astype(np.uint8).tobytes()
    packed = gzip.compress(voxels) if encoding == "gzip" else voxels
    path.write_bytes(("\n".join(header) + "\n\n").encode() + (damage(packed) if damage else packed))
    return path


def masks():
    return [(lobed.lobes() == label).astype(np.uint8) for label in range(1, 6)]


def test_one_layer_with_any_numbers(tmp_path):
    numbers = (9, 7, 5, 3, 1)
    segments = [(name, 0, number, TISSUE) for name, number in zip(NAMES, numbers, strict=True)]
    parts = read(write_seg(tmp_path / "a.seg.nrrd", [lobed.numbered(numbers)], segments))
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert "3D Slicer" in parts.convention
    assert parts.warnings == ()


@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_layers_with_overlapping_lungs_and_lobes(tmp_path, encoding):
    lungs = (lobed.lungs() > 0) * np.where(lobed.lungs() == 1, 1, 2).astype(np.uint8)
    segments = [(name, 1, number, TISSUE) for number, name in enumerate(NAMES, 1)]
    segments += [("right lung", 0, 1, TISSUE), ("left lung", 0, 2, TISSUE), ("Nodule 7", 0, 3, TISSUE)]
    path = write_seg(tmp_path / "a.seg.nrrd", [lungs, lobed.lobes()], segments, encoding=encoding)
    parts = read(path)
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    np.testing.assert_array_equal(parts.lungs, lobed.lungs())


def test_old_files_with_a_layer_for_each_segment(tmp_path):
    segments = [(name, None, None, TISSUE) for name in NAMES]
    np.testing.assert_array_equal(
        read(write_seg(tmp_path / "a.seg.nrrd", masks(), segments)).lobes, lobed.lobes()
    )


def test_a_cropped_extent_lies_where_it_was_cut(tmp_path):
    z, y, x = (slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(lobed.lobes()))
    segments = [(name, 0, number, TISSUE) for number, name in enumerate(NAMES, 1)]
    cut = lobed.lobes()[z, y, x]
    path = write_seg(tmp_path / "a.seg.nrrd", [cut], segments, (z.start, y.start, x.start))
    parts = read(path)
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert not any("another grid" in warning for warning in parts.warnings)


def test_terms_count_before_names(tmp_path):
    segments = [("Segment_1", 0, 1, UPPER_RIGHT)]
    segments += [(name, 0, number, TISSUE) for number, name in enumerate(NAMES[1:], 2)]
    path = write_seg(tmp_path / "a.seg.nrrd", [lobed.lobes()], segments)
    np.testing.assert_array_equal(read(path).lobes, lobed.lobes())
    segments[0] = ("left upper lobe", 0, 1, UPPER_RIGHT)
    with pytest.raises(AnatomyError, match="coded SCT 45653009"):
        read(write_seg(tmp_path / "b.seg.nrrd", [lobed.lobes()], segments))


def test_exchanged_names_are_refused(tmp_path):
    swapped = [name.replace("right", "?").replace("left", "right").replace("?", "left") for name in NAMES]
    swapped[1] = "ignored"
    segments = [(name, 0, number, TISSUE) for number, name in enumerate(swapped, 1)]
    with pytest.raises(AnatomyError, match="exchanged"):
        read(write_seg(tmp_path / "a.seg.nrrd", [lobed.lobes()], segments))


def test_overlapping_lobes_are_warned_about_or_refused(tmp_path):
    layers = masks()
    edge = layers[0].astype(bool) & np.roll(layers[2].astype(bool), 1, axis=0)
    layers[2] |= edge.astype(np.uint8)
    segments = [(name, layer, 1, TISSUE) for layer, name in enumerate(NAMES)]
    parts = read(write_seg(tmp_path / "a.seg.nrrd", layers, segments))
    assert any(f"{edge.sum()} voxels belong to two lobes" in warning for warning in parts.warnings)
    layers[0] |= layers[2]
    with pytest.raises(AnatomyError, match="two of them at once"):
        read(write_seg(tmp_path / "b.seg.nrrd", layers, segments))


def test_nothing_known_names_what_is_there(tmp_path):
    segments = [(f"Segment_{number}", 0, number, TISSUE) for number in range(1, 6)]
    with pytest.raises(AnatomyError, match=r"'Segment_1', 'Segment_2'.*right upper lobe"):
        read(write_seg(tmp_path / "a.seg.nrrd", [lobed.lobes()], segments))


def test_an_empty_segmentation(tmp_path):
    segments = [(LOBES[0], 0, 1, TISSUE)]
    with pytest.raises(AnatomyError, match="empty"):
        read(write_seg(tmp_path / "a.seg.nrrd", [np.zeros((1, 1, 1))], segments))


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[: len(b) // 2], lambda b: b[:-9], lambda b: b[:50] + b"\xff\0" + b[52:], lambda _: b""],
)
def test_damaged_layers_are_refused(tmp_path, damage):
    segments = [(name, layer, 1, TISSUE) for layer, name in enumerate(NAMES)]
    with pytest.raises(AnatomyError, match=r"[Ee]xport it again"):
        read(write_seg(tmp_path / "a.seg.nrrd", masks(), segments, damage=damage))
