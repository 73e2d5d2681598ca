"""Why a scan is refused: every code with its meaning."""

from __future__ import annotations

REJECTION_CODES: dict[str, str] = {
    "not_found": "The path does not exist.",
    "unreadable": "The file is damaged, cut short, or cannot be opened.",
    "decoder_failed": "The process that decodes the images crashed on them.",
    "took_too_long": "Reading took longer than its limit.",
    "too_large": "The input holds more files, bytes or voxels than any scan, or needs more memory "
    "than allowed.",
    "unsafe_archive": "The archive is made like one that does harm: paths that lead out of it, links, "
    "members that overlap or unpack without end.",
    "executable_preamble": "The DICOM file is a program or an archive at the same time.",
    "unsupported_format": "The kind of file is not one that Clearlung reads.",
    "unsupported_dicom": "The DICOM objects are of a kind, or store their pixels in a way, that is not read.",
    "no_ct_series": "The folder contains no CT images.",
    "series_not_found": "No CT series of the folder matches the one asked for.",
    "mixed_series": "The images are of several patients or days, or those of one series not of one volume.",
    "missing_slices": "More than one slice is missing: the distance between neighbors shows it.",
    "doubled_slices": "Two images lie at the same place.",
    "uneven_spacing": "The distance between slices varies.",
    "no_orientation": "The header does not say how the volume lies in the patient.",
    "contradictory_orientation": "The header says it twice, and differently.",
    "sheared": "The axes of the volume are not perpendicular to each other.",
    "gantry_tilt": "The slices are stacked more obliquely than any gantry tilts.",
    "not_ct": "The images come from another modality.",
    "not_hu": "The values cannot be Hounsfield units.",
    "not_a_volume": "Color, vector, complex or time-resolved data, or fewer than three axes.",
    "not_finite": "Some values, or the geometry, are not finite numbers.",
    "bad_spacing": "The voxel spacing is not one that a chest CT has.",
    "bad_field_of_view": "The field of view is not one that a chest CT has.",
    "too_small": "Too few slices, rows or columns for a chest CT.",
    "thick_slices": "The slices are too thick to show nodules of a few millimeters.",
    "no_lungs": "No lungs were found in the scan.",
}
"""Each code of :class:`~clearlung.errors.ScanRejected` and what it means."""
