"""Evidence, and estimates that several files look at."""

import numpy as np
import pytest

from clearlung.anatomy import LOBES
from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.perfusion.occult import DetectionCurve, OccultBurden, Seen, detection_curve, occult_burden


@pytest.fixture(scope="session")
def book() -> EvidenceBook:
    return load_evidence()


@pytest.fixture(scope="session")
def curve(book: EvidenceBook) -> DetectionCurve:
    return detection_curve("reader", book)


@pytest.fixture(scope="session")
def seen() -> Seen:
    """Sixty lognormal sizes that lie in all lobes."""
    rng = np.random.default_rng(11)
    diameters = np.maximum(5.0 * np.exp(0.5 * rng.standard_normal(60)), 2.5)
    return Seen.listed(diameters, [LOBES[k % 5] for k in range(60)])


@pytest.fixture(scope="session")
def burden(seen: Seen, curve: DetectionCurve, book: EvidenceBook) -> OccultBurden:
    return occult_burden(seen, curve, book)
