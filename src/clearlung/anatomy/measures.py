"""What each lobe holds: volume, density, air and tissue, emphysema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.types import LOBE_LABELS, Anatomy, Lobe
from clearlung.ct import Volume
from clearlung.evidence import load_evidence

# By its definition the scale puts air at -1000 HU and water at 0.
AIR_HU, WATER_HU = -1000.0, 0.0
_LOWEST_HU, _HIGHEST_HU = -1024, 3071


@dataclass(frozen=True)
class LobeMeasures:
    """What one lobe, or several together, hold.

    Parameters
    ----------
    volume_ml
        Of air and tissue.
    mean_hu
        Mean attenuation; NaN if there is no volume.
    air_ml, tissue_ml
        Their sum is the volume: tissue counted as water, attenuation between air and water as a mixture.
    emphysema_share
        Share of the volume below the published cut-off for emphysema, 0 to 1; NaN if there is no volume.
    """

    volume_ml: float
    mean_hu: float
    air_ml: float
    tissue_ml: float
    emphysema_share: float


def measure_lobes(
    anatomy: Anatomy, ct: Volume, *, without: NDArray[Any] | None = None
) -> dict[Lobe, LobeMeasures]:
    """Measure each lobe on its scan.

    Parameters
    ----------
    anatomy
        The anatomy of the scan.
    ct
        int16 HU: the whole scan, or its part in the anatomy's box.
    without
        Whole numbers or bool on the anatomy's box, e.g. the labels of nodules: where it is not 0 is left out.

    Returns
    -------
    dict
        One entry per lobe, also where it is empty.

    Raises
    ------
    ValueError
        If the volume is neither the scan nor its part in the box, or what is left out lies on another grid.

    Notes
    -----
    Air and tissue follow from the attenuation, a voxel between air (-1000 HU) and water (0 HU) being a
    mixture of both [1]_; denser voxels are tissue. Emphysema is what lies below the cut-off of evidence
    entry ``anatomy.emphysema_below``; it was set on thin slices at full inspiration, and on others the
    share is only a hint.

    References
    ----------
    .. [1] L. Gattinoni et al., "What has computed tomography taught us about the acute respiratory distress
       syndrome?", Am. J. Respir. Crit. Care Med. 164, 2001.
    """
    hu = ct.array if ct.shape == anatomy.lobes.shape else ct.array[anatomy.box]
    if hu.shape != anatomy.lobes.shape:
        raise ValueError(
            f"a scan of {ct.shape} voxels is not the one that anatomy was found on: its lungs' box has"
            f" {anatomy.lobes.shape}"
        )
    if without is not None and without.shape != hu.shape:
        raise ValueError(f"what is left out has {without.shape} voxels, and the lungs' box {hu.shape}")
    counts = _histograms(anatomy.lobes.array, hu, without)
    below = load_evidence().value("anatomy.emphysema_below", unit="HU")
    voxel_ml = anatomy.lobes.voxel_ml
    return {lobe: _measure(counts[label], voxel_ml, below) for lobe, label in LOBE_LABELS.items()}


def add_measures(parts: Sequence[LobeMeasures]) -> LobeMeasures:
    """Return the measures of several lobes taken together.

    Examples
    --------
    >>> whole = add_measures([LobeMeasures(300, -800, 240, 60, 0.1), LobeMeasures(100, -600, 60, 40, 0.0)])
    >>> whole.volume_ml, whole.mean_hu, whole.emphysema_share
    (400, -750.0, 0.075)
    """
    filled = [part for part in parts if part.volume_ml > 0]
    volume = sum(part.volume_ml for part in filled)
    if not filled:
        return LobeMeasures(0.0, float("nan"), 0.0, 0.0, float("nan"))
    return LobeMeasures(
        volume_ml=volume,
        mean_hu=sum(part.mean_hu * part.volume_ml for part in filled) / volume,
        air_ml=sum(part.air_ml for part in filled),
        tissue_ml=sum(part.tissue_ml for part in filled),
        emphysema_share=sum(part.emphysema_share * part.volume_ml for part in filled) / volume,
    )


def _histograms(
    lobes: NDArray[np.uint8], hu: NDArray[np.int16], without: NDArray[Any] | None
) -> NDArray[np.int64]:
    """Count the voxels of each lobe (rows: labels) by attenuation; slice by slice, to bound memory."""
    width = _HIGHEST_HU - _LOWEST_HU + 1
    counts = np.zeros((len(LOBE_LABELS) + 1) * width, dtype=np.int64)
    for z, (labels, values) in enumerate(zip(lobes, hu, strict=True)):
        inside = labels > 0
        if without is not None:
            inside &= without[z] == 0
        value = np.clip(values[inside], _LOWEST_HU, _HIGHEST_HU).astype(np.int64) - _LOWEST_HU
        counts += np.bincount(labels[inside].astype(np.int64) * width + value, minlength=counts.size)
    return counts.reshape(-1, width)


def _measure(counts: NDArray[np.int64], voxel_ml: float, emphysema_below_hu: float) -> LobeMeasures:
    total = int(counts.sum())
    if not total:
        return add_measures([])
    hu = np.arange(_LOWEST_HU, _HIGHEST_HU + 1, dtype=np.float64)
    air = np.clip((WATER_HU - hu) / (WATER_HU - AIR_HU), 0.0, 1.0)
    air_ml = float(counts @ air) * voxel_ml
    return LobeMeasures(
        volume_ml=total * voxel_ml,
        mean_hu=float(counts @ hu) / total,
        air_ml=air_ml,
        tissue_ml=total * voxel_ml - air_ml,
        emphysema_share=float(counts[hu < emphysema_below_hu].sum()) / total,
    )
