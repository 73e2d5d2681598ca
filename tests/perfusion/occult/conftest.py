"""Evidence, and estimates that several files look at."""

import numpy as np
import pytest

from clearlung.anatomy import LOBES
from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.nodules import NoduleTable, sphere_volume_mm3
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
def nodule_table() -> NoduleTable:
    """Two nodules; only the first has a chance of being malignant."""
    diameters, unknown = np.array([4.0, 8.0]), np.full(2, np.nan)
    return NoduleTable(
        id=np.array([1, 2], dtype=np.int32),
        x_mm=unknown,
        y_mm=unknown,
        z_mm=unknown,
        side=np.array(["right", "left"]),
        lobe=np.array(["RUL", "LLL"]),
        lobe_confidence=np.ones(2),
        diameter_mm=diameters,
        volume_mm3=sphere_volume_mm3(diameters),
        depth_mm=np.array([3.0, 10.0]),
        probability=np.array([0.5, 1.0]),
        mean_hu=unknown,
        max_hu=unknown,
        calcified=np.zeros(2, dtype=bool),
        vdt_days=unknown,
        malignant_chance=np.array([0.8, np.nan]),
    )


@pytest.fixture(scope="session")
def burden(seen: Seen, curve: DetectionCurve, book: EvidenceBook) -> OccultBurden:
    return occult_burden(seen, curve, book)
