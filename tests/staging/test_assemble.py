"""What is known of each specimen goes into the plan, and what is not known stays null."""

from dataclasses import replace

import numpy as np
import pytest

from clearlung.anatomy import LOBES
from clearlung.staging import solve_plan
from tests.staging.problems import problem


def measured(made):
    """The same problem with specimens that were cut on a scan."""
    count = len(made.specimens)
    volume_ml = made.specimens.volume_ml
    lobe_ml = np.zeros((count, len(LOBES)))
    lobe_ml[:, LOBES.index("RUL")], lobe_ml[:, LOBES.index("RML")] = 0.75 * volume_ml, 0.25 * volume_ml
    return replace(
        made,
        specimens=replace(
            made.specimens,
            lobe_ml=lobe_ml,
            reach_mm=np.arange(20.0, 20.0 + count),
            margin_least_mm=np.full(count, 4.8),
            margin_low_mm=np.full(count, 3.6),
            margin_high_mm=np.full(count, 6.0),
            clear=np.full(count, 0.99),
            vessel_mm=np.full(count, 2.5),
            bronchus_mm=np.zeros(count),
            closure=np.full(count, "suture"),
        ),
    )


@pytest.fixture(scope="module")
def made():
    return problem([("RUL", 4.0, 10.0), ("RUL", 6.0, 12.0)])


def test_what_was_measured_is_in_the_plan(made):
    plan = solve_plan(measured(made))
    specimens = {s.id: s for operation in plan.operations for s in operation.specimens}
    assert set(specimens) == {1, 2}
    for number, specimen in specimens.items():
        assert specimen.lobe_ml == pytest.approx(
            {"RUL": 0.75 * specimen.volume_ml, "RML": 0.25 * specimen.volume_ml}
        )
        assert specimen.reach_mm == 19.0 + number
        margin = (specimen.margin_low_mm, specimen.margin_least_mm, specimen.margin_high_mm)
        assert margin == (3.6, 4.8, 6.0)
        assert (specimen.clear, specimen.vessel_mm, specimen.bronchus_mm) == (0.99, 2.5, 0.0)
        assert specimen.closure == "suture"


def test_what_is_not_known_stays_null(made):
    (operation,) = solve_plan(made).operations
    for specimen in operation.specimens:
        assert specimen.lobe_ml is None
        assert specimen.margin_least_mm is None
        assert specimen.clear is None
        assert specimen.vessel_mm is None
        assert specimen.closure is None
