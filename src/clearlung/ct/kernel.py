"""Reconstruction kernels: which of them sharpen edges, by the names that manufacturers give them."""

from __future__ import annotations

import re

# From this number on, Siemens' kernels (B10 to B80, Br36, Bl57, I70) are for lung and bone.
SIEMENS_SHARP_FROM = 50
_SIEMENS = re.compile(r"^[A-Z][a-z]?(\d{2})")
# Canon and Toshiba number theirs: 30s bone, 50s lung, 80s lung and ear; the 40s are for the brain.
_CANON = re.compile(r"^FC(\d{2})")
_CANON_SHARP_TENS = (3, 5, 6, 7, 8)
# GE's by name, and Philips' lung and bone filters.
_SHARP_NAMES = {
    "LUNG",
    "BONE",
    "BONEPLUS",
    "EDGE",
    "ULTRA",
    "DETAIL",
    "SHARP",
    "YC",
    "YD",
    "YE",
    "L",
    "D",
    "E",
}


def is_sharp(kernel: str) -> bool:
    """Whether a reconstruction kernel sharpens edges, as those for lung and bone windows do.

    Such images show fissures and small vessels crisply to the eye, and pay with noise and with bright and
    dark rims around what is dense, which shift thresholds, densities and volumes.

    Parameters
    ----------
    kernel
        ConvolutionKernel as the header gives it; one that is not known counts as not sharp.

    Examples
    --------
    >>> [is_sharp(kernel) for kernel in ("B70f", "LUNG", "FC52", "B31f", "STANDARD", "FC08", "")]
    [True, True, True, False, False, False, False]
    """
    name = kernel.split("\\")[0].strip()
    if canon := _CANON.match(name):
        return int(canon[1]) // 10 in _CANON_SHARP_TENS
    if siemens := _SIEMENS.match(name):
        return int(siemens[1]) >= SIEMENS_SHARP_FROM
    return bool(set(re.split(r"[^A-Z]+", name.upper())) & _SHARP_NAMES)
