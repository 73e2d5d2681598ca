"""Nodules of known shape, density and place, put into any scan with its own blur and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.errors import FieldError
from clearlung.phantom.appearance import Blur, Noise, estimate_blur, estimate_noise
from clearlung.phantom.implant_drawing import Drawing, Implanted
from clearlung.phantom.implant_places import Placed, Placer
from clearlung.phantom.implant_shapes import Nodule, draw_nodules
from clearlung.phantom.implant_spec import PLACES, ImplantSpec


def implant(
    scan: Scan,
    anatomy: Anatomy,
    spec: ImplantSpec,
    avoid_mm: NDArray[np.float64] | None = None,
    avoid_diameter_mm: NDArray[np.float64] | None = None,
    blur: Blur | None = None,
    noise: Noise | None = None,
) -> Implanted:
    """Put nodules into a scan's lungs.

    Parameters
    ----------
    scan, anatomy
        The scan, and its anatomy from :func:`clearlung.anatomy.segment_anatomy`.
    spec
        Which nodules.
    avoid_mm, avoid_diameter_mm
        Nodules that are there already: LPS centers, shape (n, 3), and diameters, shape (n,). None is put on
        them.
    blur, noise
        The scanner's; read from the scan by default (:func:`estimate_blur`, :func:`estimate_noise`).

    Returns
    -------
    Implanted
        The same arguments give the same bits.

    Raises
    ------
    FieldError
        If the nodules do not fit, or the anatomy lacks what they shall touch: it says what to reduce.

    Notes
    -----
    Each nodule is drawn on cells finer than the voxels, cut off at the lung's surface, blurred by the scan's
    point spread and its own soft border, and averaged over the voxels. A voxel of which the share *w* is
    nodule loses that share of the lung's density and gets that of the nodule. The lung's own noise and
    texture go with the lung; noise with the scan's strength and correlation takes their place so that the
    variance stays what it was.

    Examples
    --------
    >>> from clearlung.anatomy import segment_anatomy
    >>> from clearlung.phantom import PhantomSpec, make_phantom
    >>> scan = make_phantom(PhantomSpec(nodules=0, shape=(64, 96, 96))).scan
    >>> implanted = implant(scan, segment_anatomy(scan), ImplantSpec(nodules=2, fissure=0.0))
    >>> len(implanted.truth), int(implanted.labels.array.max())
    (2, 2)
    """
    rng_shape, rng_place, rng_noise = np.random.default_rng(spec.seed).spawn(3)
    known = np.zeros((0, 3)) if avoid_mm is None else np.asarray(avoid_mm, dtype=np.float64).reshape(-1, 3)
    widths = np.zeros(len(known)) if avoid_diameter_mm is None else np.asarray(avoid_diameter_mm, float)
    if widths.shape != (len(known),):
        raise FieldError("avoid_diameter_mm", f"must have one value for each of the {len(known)} points")
    placer = Placer(scan, anatomy, spec, known, widths, rng_place)
    placed = _place_all(placer, draw_nodules(spec, rng_shape), spec, rng_place)
    blur = blur or estimate_blur(scan, anatomy)
    tile = (noise or estimate_noise(scan, anatomy)).tile(scan.volume.spacing_mm, rng_noise)
    return Drawing(scan, anatomy, blur).finished(placed, tile)


def _place_all(
    placer: Placer, nodules: list[Nodule], spec: ImplantSpec, rng: np.random.Generator
) -> list[Placed]:
    """Place all, the largest first; the followers of a group beside their first one."""
    shares = [max(getattr(spec, place), 0.0) for place in PLACES]
    places = rng.choice(PLACES, size=len(nodules), p=np.array(shares) / sum(shares))
    followers: list[tuple[int, int]] = []
    wanted = round(spec.touching * len(nodules))
    order = rng.permutation(len(nodules))
    at = 0
    while wanted - at >= 2:
        size = 3 if wanted - at >= 3 and rng.random() < 0.4 else 2
        first, *rest = sorted(order[at : at + size].tolist())
        followers += [(k, first) for k in rest]
        at += size
    firsts = {first for _, first in followers}
    beside = {k for k, _ in followers}
    alone = [k for k in range(len(nodules)) if k not in beside]
    done: dict[int, Placed] = {}
    for k in alone:
        done[k] = placer.place(nodules[k], str(places[k]))
        for follower, first in followers:
            if first == k:
                done[follower] = placer.place(nodules[follower], "free", done[k])
    return [replace(done[k], touching=k in firsts or k in beside) for k in sorted(done)]
