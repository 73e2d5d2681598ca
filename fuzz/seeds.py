"""Builds the corpus that the fuzzer starts from: one small valid input of each kind.

An input is one byte, the kind, and then a file. Beside the corpus lie the other images of the series that a
DICOM input belongs to.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from tests.anatomy.test_sources_dicom import write_seg
from tests.ct.chests import chest
from tests.ct.dicom_files import write_series
from tests.ct.malformed import codestreams, fragments, in_syntax
from tests.ct.plain_files import write_mha, write_nifti, write_nrrd

from clearlung.ct import Volume

KINDS = ("dicom header", "dicom series", "nii", "nii.gz", "nrrd", "mha", "zip", "dicom frames", "dicom seg")
# The image of the series that the fuzzer replaces; it is neither the first nor the last.
REPLACED = 3
_PLAIN_SYNTAXES = (
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian
)  # fmt: skip
_PACKED_BY_ITK = ("JPEG2000",)


def build(folder: Path, kinds: set[int]) -> None:
    """Write ``corpus/``, of these kinds, and ``siblings/`` into a folder; earlier ones are kept."""
    corpus, siblings, work = folder / "corpus", folder / "siblings", folder / "work"
    if siblings.is_dir():
        return
    corpus.mkdir(parents=True, exist_ok=True)
    truth = chest((16, 18, 20))
    images = write_series(work / "series", truth)
    replaced = images[REPLACED].read_bytes()
    shutil.copytree(work / "series", siblings)
    (siblings / images[REPLACED].name).unlink()
    for i, raw in enumerate([replaced, *_in_other_syntaxes(replaced, work)]):
        for kind in (0, 1):
            _add(corpus, kind, f"{i}", raw)
    for kind, path in (
        (2, write_nifti(work / "a.nii", truth)),
        (3, write_nifti(work / "a.nii.gz", truth)),
        (4, write_nrrd(work / "a.nrrd", truth)),
        (4, write_nrrd(work / "b.nrrd", truth, encoding="raw")),
        (5, write_mha(work / "a.mha", truth)),
        (5, write_mha(work / "b.mha", truth, packed=False)),
    ):
        _add(corpus, kind, path.stem, path.read_bytes())
    _add(corpus, 8, "binary", write_seg(work / "seg.dcm").read_bytes())
    _add(corpus, 7, "enhanced", _enhanced(replaced, truth))
    _add(corpus, 6, "dicom", _zipped(images[:4]))
    _add(corpus, 6, "volume", _zipped([work / "a.nii.gz"]))
    shutil.rmtree(work)
    for path in corpus.iterdir():
        if path.read_bytes()[0] not in kinds:
            path.unlink()


def _add(corpus: Path, kind: int, name: str, raw: bytes) -> None:
    (corpus / f"{KINDS[kind].replace(' ', '-')}-{name}").write_bytes(bytes([kind]) + raw)


def _zipped(paths: list[Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, path.name)
    return buffer.getvalue()


def _enhanced(raw: bytes, truth: Volume) -> bytes:
    """Return the volume as one multi-frame image."""
    image = pydicom.dcmread(io.BytesIO(raw))
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    orientation, measures, values = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = image.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = image.PixelSpacing, image.SliceThickness
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = "1", "-1024", "HU"
    shared = Dataset()
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    shared.PixelValueTransformationSequence = [values]
    image.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for i in range(len(truth.array)):
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [*image.ImagePositionPatient[:2], -230.0 + 4.5 * i]
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    image.PerFrameFunctionalGroupsSequence = frames
    for name in ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "SliceThickness"):
        del image[name]
    image.NumberOfFrames = len(frames)
    image.PixelData = (truth.array.astype(np.int32) + 1024).astype(np.uint16).tobytes()
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _in_other_syntaxes(raw: bytes, work: Path) -> list[bytes]:
    """Return the same image in every transfer syntax that can be written here."""
    made = []
    for syntax in (*_PLAIN_SYNTAXES[1:], RLELossless):
        image = pydicom.dcmread(io.BytesIO(raw))
        buffer = io.BytesIO()
        if syntax == RLELossless:
            image.compress(RLELossless)
        elif syntax == ExplicitVRBigEndian:
            image.PixelData = image.pixel_array.astype(">u2").tobytes()
        image.file_meta.TransferSyntaxUID = syntax
        little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
        pydicom.dcmwrite(
            buffer,
            image,
            enforce_file_format=True,
            little_endian=little,
            implicit_vr=implicit,
            overwrite=True,
        )
        made.append(buffer.getvalue())
    # nothing here packs these: what follows the heads is noise, but the decoders begin on it
    made += [in_syntax(raw, syntax, fragments(stream)) for syntax, stream in codestreams(raw).items()]
    source = work / "plain.dcm"
    source.write_bytes(raw)
    for packing in _PACKED_BY_ITK:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(work / f"{packing}.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor(packing)
        with contextlib.suppress(RuntimeError):  # not every build of GDCM packs everything
            image = sitk.ReadImage(str(source))
            writer.Execute(image)
            made.append((work / f"{packing}.dcm").read_bytes())
    return made
