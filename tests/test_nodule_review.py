"""The queue: what is at its top changes the plan most, which planning without it shows."""

import time

import numpy as np
import pytest

from clearlung.casefile import Case
from clearlung.nodule_review import review_queue
from clearlung.nodules import planned_from, read_nodule_list
from clearlung.resection import excise, prepare_excision
from clearlung.staging import load_protocol

from .lists import write_list
from .nodules.review_cases import chest, detection

PROTOCOL = load_protocol("high-volume")


@pytest.fixture
def listed(tmp_path):
    write_list(tmp_path / "list.csv", 170, places=True)
    return read_nodule_list(tmp_path / "list.csv")


def test_leaving_one_out_is_cutting_the_others_anew():
    """Neighbors share tissue, and get it back."""
    _, anatomy = chest()
    nodules = detection([(-30, 0, 0, 10), (-18, 0, 0, 8), (-24, 10, 0, 6), (30, 5, 0, 8)])
    book = PROTOCOL.book()
    techniques = PROTOCOL.resection.techniques
    whole = prepare_excision(nodules, anatomy, techniques, book)
    for row in range(4):
        rest = np.delete(np.arange(4), row)
        anew = excise(nodules.take(rest), anatomy, techniques, book)
        left = whole.without([int(nodules.id[row])])
        assert sorted(i for g in left.lesions for i in g) == sorted(i for g in anew.lesions for i in g)
        # A bed that stopped midway to the lesion that is left out is not cut anew.
        assert left.volume_ml.sum() == pytest.approx(anew.volume_ml.sum(), rel=0.15)
    assert whole.specimens.volume_ml.sum() < sum(
        excise(nodules.take(np.array([k])), anatomy, techniques, book).volume_ml[0] for k in range(4)
    )


def test_the_surer_a_finding_the_less_it_is_asked_about(listed):
    few = listed.take(np.arange(24))
    rows = review_queue(few.with_columns(probability=np.linspace(0.6, 1.0, 24)), None, PROTOCOL, most=30)
    assert rows
    assert [row.weight for row in rows] == sorted((row.weight for row in rows), reverse=True)
    assert all(row.why for row in rows)


def test_what_is_sure_or_reviewed_is_not_asked_about(listed):
    assert {row.kind for row in review_queue(listed, None, PROTOCOL)} <= {"pair"}
    doubtful = listed.with_columns(probability=np.full(170, 0.6), review=np.full(170, "accepted"))
    assert review_queue(doubtful, None, PROTOCOL) == ()


def test_the_bound_leaves_out_nothing_weightier(listed):
    few = listed.take(np.arange(24)).with_columns(probability=np.linspace(0.55, 0.99, 24))
    every = review_queue(few, None, PROTOCOL, most=500)
    assert review_queue(few, None, PROTOCOL, most=3) == every[:3]


def test_a_left_out_finding_and_a_conflict_are_asked_about(listed):
    chances = np.full(170, 1.0)
    chances[5] = planned_from(PROTOCOL.nodules.false_per_scan) / 2
    rows = review_queue(
        listed.with_columns(probability=chances), None, PROTOCOL, Case(), conflicts=("look at 3",)
    )
    assert rows[0].kind == "conflict"
    assert [row.nodules for row in rows if row.kind == "left_out"] == [(int(listed.id[5]),)]


def test_170_nodules_take_seconds(listed):
    began = time.process_time()
    review_queue(listed.with_columns(probability=np.linspace(0.5, 1, 170)), None, PROTOCOL)
    seconds = time.process_time() - began
    assert seconds < 20  # 7 on the machine it was measured on
