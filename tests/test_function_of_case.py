"""From case and scan to the patient's lung function."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from clearlung.anatomy import LOBES
from clearlung.casefile import parse_case
from clearlung.evidence import load_evidence
from clearlung.function_of_case import function_model
from clearlung.resection import SpecimenSet, lobes_on_scan
from clearlung.staging import load_protocol
from tests.resection.chests import block_lung

BOOK = load_evidence()
PROTOCOL = load_protocol("conservative")
RLL = LOBES.index("RLL")


def scan_of(anatomy, hu):
    """Return what a scan is to lung function: its volume."""
    return SimpleNamespace(volume=anatomy.lungs.with_array(np.full(anatomy.lungs.shape, hu, dtype=np.int16)))


def specimens(volume_ml, lobe_ml=None):
    count = len(volume_ml)
    set_ = SpecimenSet(
        id=np.arange(1, count + 1, dtype=np.int32),
        lesions=tuple((i + 1,) for i in range(count)),
        technique=np.full(count, "laser"),
        side=np.full(count, "right"),
        lobe=np.full(count, "RLL"),
        volume_ml=np.array(volume_ml, dtype=float),
        margin_mm=np.full(count, 5.0),
        minutes=np.full(count, 5.0),
        unresectable={},
        evidence=(),
    )
    return set_ if lobe_ml is None else replace(set_, lobe_ml=np.array(lobe_ml, dtype=float))


@pytest.mark.parametrize(("hu", "functional"), [(-800, 1.0), (-950, 0.0), (40, 0.0)])
def test_a_scan_gives_volumes_shares_and_density(hu, functional):
    anatomy = block_lung()
    patient, assumed, evidence = function_model(parse_case(""), anatomy, PROTOCOL, BOOK, scan_of(anatomy, hu))
    lung_ml = anatomy.lung_ml("right")
    assert patient.lungs.fev1.lung_ml == patient.lungs.dlco.lung_ml == pytest.approx(lung_ml)
    assert patient.lungs.right_share == 1.0
    assert patient.lungs.share_method == "ct volume"
    assert patient.lobe_ml[RLL] == pytest.approx(lung_ml)
    assert patient.functional_ml.sum() == pytest.approx(functional * lung_ml)
    assert assumed == ("fev1_percent", "fev1_predicted_l", "dlco_percent")
    assert "function.ppo.density_low" in evidence


def test_without_a_scan_volumes_and_shares_are_the_published_ones():
    case = parse_case('[[earlier]]\nside = "left"\ntechnique = "lobectomy"\nlobe = "LUL"\n')
    patient, assumed, _ = function_model(case, None, PROTOCOL, BOOK)
    assert "lung_ml" in assumed
    assert patient.functional_ml is None
    assert patient.lungs.right_share == pytest.approx(0.536)
    assert patient.lobe_ml[LOBES.index("LUL")] == 0
    assert patient.lobe_ml[RLL] == pytest.approx(0.265 * 5000, rel=0.01)


def test_a_lung_whose_lobes_were_not_found_is_shared_out():
    whole = block_lung()
    lost = block_lung(lobes=np.zeros(whole.lungs.shape, dtype=np.uint8))
    volumes, known = lobes_on_scan(lost, BOOK)
    assert not known
    assert volumes.sum() == pytest.approx(whole.lung_ml("right"))
    assert volumes[3:].sum() == 0
    assert lobes_on_scan(whole, BOOK)[1]
    patient, _, evidence = function_model(parse_case(""), lost, PROTOCOL, BOOK, scan_of(lost, -800))
    assert patient.functional_ml is None
    assert "function.ppo.density_low" not in evidence


def test_tissue_is_taken_of_the_lobes_that_give_it_or_of_the_specimens_lobe():
    patient, _, _ = function_model(parse_case(""), None, PROTOCOL, BOOK)
    known = patient.removal(specimens([10.0, 20.0], [[0, 4, 6, 0, 0], [0, 0, 20, 0, 0]]), BOOK)
    assert known.removed_ml.tolist() == [0, 4, 26, 0, 0]
    unknown = patient.removal(specimens([10.0, 20.0]), BOOK)
    assert unknown.removed_ml.tolist() == [0, 0, 30, 0, 0]
    assert unknown.removed_functional_ml is None
    half = replace(patient, functional_ml=patient.lobe_ml / 2).removal(specimens([10.0]), BOOK)
    assert half.removed_functional_ml.sum() == pytest.approx(5)


def test_a_missing_lung_has_no_segments_left():
    anatomy = block_lung()
    patient, _, _ = function_model(parse_case(""), anatomy, PROTOCOL, BOOK)
    assert patient.gone_segments(BOOK).tolist() == [0, 0, 0, 5, 4]
