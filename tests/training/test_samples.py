import numpy as np
import pytest
from training.cases import Case
from training.samples import Feeder, gather, label_candidates

from clearlung.nodules.network import PATCH

SPACING = np.array([2.0, 1.0, 1.0])


def case(held_out=False):
    """Two known nodules; candidates on the first, off its size, beside it, and far from both."""
    z, y, x = np.indices((30, 60, 60))
    hu = np.full((30, 60, 60), -880, np.int16)
    known = np.array([[10.0, 20.0, 20.0], [20.0, 40.0, 45.0]])
    known_mm = np.array([10.0, 1.5])
    inside = ((z - 10) * 2.0) ** 2 + (y - 20.0) ** 2 + (x - 20.0) ** 2 <= 25.0
    hu[inside] = 40
    candidates = np.array([[10.5, 20, 21], [10, 20, 20], [10, 25, 20], [20, 40, 45], [5, 50, 10.0]])
    return Case(
        name="a test",
        held_out=held_out,
        hu=hu,
        lungs=np.ones(hu.shape, np.uint8),
        spacing_mm=SPACING,
        known=known,
        known_mm=known_mm,
        candidates=candidates,
        candidate_mm=np.array([8.0, 3.0, 10.0, 2.5, 5.0]),
    )


def test_candidates_are_nodules_doubtful_or_neither():
    known, doubtful = label_candidates(case())
    assert known.tolist() == [0, -1, -1, -1, -1]
    # Off in size, off in place, and on a nodule that is too small to count.
    assert doubtful.tolist() == [False, True, True, True, False]
    samples = gather([case()])
    assert samples.positive.tolist() == [True, False]


def test_a_batch_tells_where_the_nodule_is_in_the_patch():
    feeder = Feeder([case()], seed=1)
    near, wide, terms, answers = feeder.batch(np.zeros(64, dtype=np.int64))
    assert near.shape == wide.shape == (64, 2, PATCH, PATCH, PATCH)
    assert terms.shape == (64, 3)
    assert (answers[:, 0] == 1).all()
    size = 8.0 * np.exp(terms[:, 0])
    assert size * np.exp(answers[:, 1]) == pytest.approx(10.0, rel=1e-4)
    at = np.arange(PATCH) - (PATCH - 1) / 2
    grid = np.stack(np.meshgrid(at, at, at, indexing="ij"))
    for patch, (_, _, *offset), diameter in zip(near[:, 0], answers, size, strict=True):
        step = np.clip(diameter / 6.0, 0.4, 2.0)
        bright = patch > 0.45
        middle = (grid * bright).sum(axis=(1, 2, 3)) / bright.sum() * step
        assert middle == pytest.approx(np.array(offset) * diameter, abs=0.8)


def test_what_was_taken_for_a_nodule_is_drawn_more_often():
    rng = np.random.default_rng(1)
    far = rng.uniform([2, 45, 2], [28, 58, 15], (50, 3))
    crowd = case()
    crowd = Case(
        **{
            **crowd.__dict__,
            "candidates": np.vstack([crowd.candidates, far]),
            "candidate_mm": np.append(crowd.candidate_mm, np.full(50, 4.0)),
        }
    )
    feeder = Feeder([crowd], seed=2)
    hard = feeder.others[:3]
    feeder.learn(feeder.others, np.where(np.isin(feeder.others, hard), 1.0, 0.0))
    drawn = feeder.draw(1000, 0.5)
    assert np.isin(drawn, feeder.nodules).sum() == 500
    assert np.isin(drawn, hard).sum() > 250


def test_a_case_comes_back_from_its_file(tmp_path):
    one = case(held_out=True)
    one.save(tmp_path / "case.npz")
    again = Case.load(tmp_path / "case.npz")
    assert again.name == one.name
    assert again.held_out is True
    for field in ("hu", "lungs", "known", "candidates"):
        assert np.array_equal(getattr(again, field), getattr(one, field))
