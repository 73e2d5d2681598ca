"""Compresses DICOM files with GDCM: run as a program, so that the process under test has no second GDCM.

Usage: python transcode.py SOURCE_FOLDER TARGET_FOLDER SYNTAX...
Writes one folder for each transfer syntax, named by the last part of its UID.
"""

import sys
from pathlib import Path

import gdcm


def transcode(source: Path, target: Path, syntax: str) -> None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    if not reader.Read():
        raise RuntimeError(f"{source} cannot be read")
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise RuntimeError(f"GDCM does not write {syntax}")
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise RuntimeError(f"{target} cannot be written")


if __name__ == "__main__":
    source, target, *syntaxes = sys.argv[1:]
    for syntax in syntaxes:
        folder = Path(target, syntax.rsplit(".", 1)[1])
        folder.mkdir(parents=True)
        for path in Path(source).iterdir():
            transcode(path, folder / path.name, syntax)
