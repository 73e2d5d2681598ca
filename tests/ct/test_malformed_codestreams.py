"""The size that a codestream states is read without a decoder."""

import pydicom
import pytest
import SimpleITK as sitk

from clearlung.ct.codestream import stated_size

from .malformed import _j2k, _jpeg_lossless, _jpeg_ls


@pytest.mark.parametrize("make", [_j2k, _jpeg_lossless, _jpeg_ls])
@pytest.mark.parametrize("size", [1, 20, 512, 65535])
def test_the_size_in_a_head(make, size):
    assert stated_size(make(size)) == (size, size, 1)


def test_the_size_of_what_a_writer_wrote(tmp_path):
    path = tmp_path / "a.dcm"
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG2000")
    writer.Execute(sitk.Image(48, 32, sitk.sitkInt16))
    stored = pydicom.encaps.get_frame(pydicom.dcmread(path).PixelData, 0)
    assert stated_size(stored) == (32, 48, 1)


@pytest.mark.parametrize("make", [_j2k, _jpeg_lossless, _jpeg_ls])
def test_anything_may_be_cut_or_come_before(make):
    head = make(20)
    for end in range(60):
        assert stated_size(head[:end]) in (None, (20, 20, 1))
    assert stated_size(b"") is None
    assert stated_size(b"\xff\xd8" + b"\xff" * 100) is None
    assert stated_size(b"\xff\xd8\xff\xe0\0\0" * 30) is None
    assert stated_size(b"\0\0\0\x0cjP  \r\n\x87\n" + _j2k(20)) == (20, 20, 1)
