"""What the occult burden's assumptions predict of thoracotomies, beside what was published of them.

Patients like those of the osteosarcoma series: a thoracotomy for one to fifteen metastases on CT, with two
as the median. Before any size is looked at, the law of sizes, the CT and the hand are drawn from what is
assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clearlung.evidence import EvidenceBook
from clearlung.perfusion.occult import OccultPrior, detection_curve
from clearlung.perfusion.occult.law import SizeAxis, size_shares
from clearlung.perfusion.occult.palpation import Palpation

STREAM = 73
# Half of such numbers are 1 or 2; the published range of one series ends at 15.
SEEN_CHANCE, MOST_SEEN = 0.3, 15
SLICES_MM = (1.0, 3.0, 5.0)
AUTOPSY_FROM_MM = 0.5


@dataclass(frozen=True)
class Predicted:
    """Of many thoracotomies for metastases on a CT of one kind.

    Parameters
    ----------
    more
        Share in which the hand finds a metastasis that the CT does not show.
    ratio
        Metastases found for each on CT, of all thoracotomies together.
    patients_ratio
        5th, 50th and 95th percentile over patients of the expected ratio.
    sensitivity
        5th, 50th and 95th percentile over patients of what the CT shows of what the hand finds.
    autopsy
        The same of what it shows of all from half a millimeter.
    """

    more: float
    ratio: float
    patients_ratio: np.ndarray
    sensitivity: np.ndarray
    autopsy: np.ndarray


def predict(curve: str, slice_mm: float, book: EvidenceBook, draws: int = 20_000) -> Predicted:
    """Draw thoracotomies from what is assumed."""
    rng = np.random.default_rng([STREAM, round(10 * slice_mm)])
    prior, palpation = OccultPrior.of(book), Palpation.of(book)
    axis = SizeAxis.of(prior)
    law = size_shares(prior, rng.standard_normal((draws, 4)), axis)
    shown = detection_curve(curve, book, slice_mm=slice_mm).chances(
        rng.standard_normal((draws, 3)), axis.logs
    )
    hand = palpation.half_mm.at(rng.standard_normal(draws))
    felt = palpation.chance(axis.diameters_mm, hand[:, None])
    visible, both = (law * shown).sum(axis=1), (law * shown * felt).sum(axis=1)
    more = (law * (1 - shown) * felt).sum(axis=1)
    seen = np.minimum(rng.geometric(SEEN_CHANCE, draws), MOST_SEEN)
    number = rng.gamma(seen + prior.number_shape) / (visible + 1 / prior.number_scale)
    found = rng.poisson(number * more)
    large = axis.diameters_mm >= AUTOPSY_FROM_MM
    at = [0.05, 0.5, 0.95]
    return Predicted(
        more=float(np.mean(found > 0)),
        ratio=float((seen + found).sum() / seen.sum()),
        patients_ratio=np.quantile(1 + more / visible, at),
        sensitivity=np.quantile(both / (both + more), at),
        autopsy=np.quantile((law * shown)[:, large].sum(axis=1) / law[:, large].sum(axis=1), at),
    )
