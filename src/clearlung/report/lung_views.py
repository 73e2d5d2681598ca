"""`LungViews`: all that a report shows of a scan: the lungs' projections and a few facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules import NoduleTable
from clearlung.report.projections import ALL_VIEWS, Backdrop, View, backdrop


@dataclass(frozen=True)
class ScanFacts:
    """What a report says of the scan; spacing along z, y and x."""

    series: str
    spacing_mm: tuple[float, float, float]
    sha256: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LungViews:
    """The lungs as a report shows them.

    Parameters
    ----------
    backdrops
        The projected lungs by the name of their view.
    to_places
        Shape (4, 4): from LPS (x, y, z) to where a point lies along the scan's z, y and x, mm.
    lobe_method
        Where the lobes come from, in words.
    scan
        None where the lungs were not seen on a scan that is at hand.
    """

    backdrops: dict[str, Backdrop]
    to_places: NDArray[np.float64]
    lobe_method: str
    scan: ScanFacts | None

    @classmethod
    def of(cls, anatomy: Anatomy, scan: Scan | None) -> Self:
        """Project a scan's lungs in every direction that a report shows."""
        to_places = np.eye(4)
        corners = np.vstack([np.zeros(3), np.eye(3)])
        places = anatomy.lungs.indices(corners) * np.asarray(anatomy.lungs.spacing_mm)
        to_places[:3, 3] = places[0]
        to_places[:3, :3] = (places[1:] - places[0]).T
        facts = None
        if scan is not None:
            facts = ScanFacts(scan.series, scan.volume.spacing_mm, scan.input_sha256, scan.warnings)
        return cls(
            {view.name: backdrop(view, anatomy, scan) for view in ALL_VIEWS},
            to_places,
            anatomy.lobe_method,
            facts,
        )

    def places_mm(self, nodules: NoduleTable) -> NDArray[np.float64]:
        """Return where the nodules lie along the scan's axes, shape (n, 3) in (z, y, x), mm."""
        return np.asarray(nodules.points_mm @ self.to_places[:3, :3].T + self.to_places[:3, 3])

    def behind(self, view: View) -> Backdrop:
        """Return the lungs behind a view."""
        return self.backdrops[view.name]
