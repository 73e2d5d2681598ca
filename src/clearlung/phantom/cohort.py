"""A cohort of varied patients, for benchmarks and tests."""

from __future__ import annotations

import numpy as np

from clearlung.phantom.spec import PhantomSpec

# Keeps the cohort's random numbers apart from those of the phantoms themselves.
COHORT_STREAM = 20

# Assumed but where a source is given. Scans are made at full inspiration, or at what a patient can do of it.
BREATH_RANGE = (0.75, 1.0)
NOISE_RANGE_HU = (10.0, 30.0)
# Half of the scans have contrast medium.
CONTRAST_SHARE = 0.5
PLAIN_BLOOD_HU = (38.0, 50.0)
CONTRAST_BLOOD_HU = (120.0, 280.0)
# How often the right oblique, the right horizontal and the left oblique fissure are whole: 47, 14 and 64 of
# 96 patients with emphysema by the consensus of three readers (van Rikxoort 2012, PMC3249027). There, 77 % of
# the border is fissure where it is not whole; the ranges about it are assumed, the horizontal one's wider.
WHOLE_SHARE = (0.49, 0.15, 0.67)
INCOMPLETE_RANGE = ((0.55, 0.97), (0.25, 0.95), (0.55, 0.97))


def varied_spec(seed: int, nodules: int = 170, shape: tuple[int, int, int] = (400, 512, 512)) -> PhantomSpec:
    """Return the n-th of a cohort of varied patients.

    Parameters
    ----------
    seed
        Which patient: 0 and up. The same number gives the same patient.
    nodules, shape
        As of :class:`PhantomSpec`.

    Returns
    -------
    PhantomSpec
        With realistic variety of the anatomy, and breath, completeness of the fissures, noise and contrast
        medium drawn at random; the ranges are assumed.

    Examples
    --------
    >>> varied_spec(3) == varied_spec(3)
    True
    >>> varied_spec(3, nodules=5, shape=(100, 128, 128)).variety
    1.0
    """
    rng = np.random.default_rng([COHORT_STREAM, seed])
    breath, noise, contrast, blood = rng.random(4)
    whole, share = rng.random((2, 3))
    shares = [
        1.0 if w < often else low + s * (high - low)
        for w, s, often, (low, high) in zip(whole, share, WHOLE_SHARE, INCOMPLETE_RANGE, strict=True)
    ]
    blood_range = CONTRAST_BLOOD_HU if contrast < CONTRAST_SHARE else PLAIN_BLOOD_HU
    return PhantomSpec(
        nodules=nodules,
        seed=seed,
        shape=shape,
        noise_hu=_within(NOISE_RANGE_HU, noise),
        blood_hu=_within(blood_range, blood),
        variety=1.0,
        realistic=True,
        breath=_within(BREATH_RANGE, breath),
        fissure_completeness=(shares[0], shares[1], shares[2]),
    )


def _within(limits: tuple[float, float], share: float) -> float:
    low, high = limits
    return round(low + float(share) * (high - low), 3)
