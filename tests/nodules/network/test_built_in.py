import hashlib
from importlib.resources import files

import numpy as np
import pytest

from clearlung.nodules.network import (
    CARD_FILE,
    MODEL_FILE,
    PATCH,
    Calibration,
    NetworkCard,
    built_in_card,
    built_in_network,
)

FOLDER = files("clearlung.nodules.network")


def test_the_card_describes_the_file_that_ships():
    assert hashlib.sha256((FOLDER / MODEL_FILE).read_bytes()).hexdigest() == built_in_card().model_sha256


def test_the_model_is_a_few_megabytes():
    assert len((FOLDER / MODEL_FILE).read_bytes()) < 5_000_000


def test_nothing_that_evaluates_was_learned_from():
    card = built_in_card()
    for name in (*card.learned_from, *card.held_out):
        assert "LIDC" not in name
        if name.startswith("phantom"):
            assert int(name.split()[1]) >= 200
    assert not set(card.learned_from) & set(card.held_out)


def test_the_card_can_be_read_back():
    text = (FOLDER / CARD_FILE).read_text(encoding="utf-8")
    assert NetworkCard.model_validate_json(text) == built_in_card()


def test_answers_do_not_depend_on_the_batch():
    rng = np.random.default_rng(1)
    near, wide = rng.random((2, 5, 2, PATCH, PATCH, PATCH), dtype=np.float32)
    sizes = rng.normal(size=(5, 3)).astype(np.float32)
    network = built_in_network()
    together = network(near, wide, sizes)
    alone = np.vstack([network(near[i : i + 1], wide[i : i + 1], sizes[i : i + 1]) for i in range(5)])
    assert together.shape == (5, 5)
    assert together == pytest.approx(alone, abs=1e-4)


def test_fewer_false_findings_need_a_higher_probability():
    points = built_in_card().operating_points
    rates = [point.false_per_scan for point in points]
    assert rates == sorted(rates)
    for name, rising in (("probability", False), ("sensitivity", True)):
        values = [getattr(point, name) for point in points]
        assert values == sorted(values, reverse=not rising)


def test_operating_points_are_interpolated_and_held_at_the_ends():
    card = built_in_card()
    first, second = card.operating_points[:2]
    between = card.probability_at(np.sqrt(first.false_per_scan * second.false_per_scan))
    assert between == pytest.approx((first.probability + second.probability) / 2)
    assert card.probability_at(1e-6) == first.probability
    assert card.probability_at(1e6) == card.operating_points[-1].probability


def test_a_surer_network_gives_a_higher_probability():
    calibration = Calibration(intercept=-0.5, logit=0.8, log_slice=-0.3, log_size=0.2)
    probability = calibration.probability(np.array([-4.0, 0.0, 4.0]), np.full(3, 5.0), 1.0)
    assert (np.diff(probability) > 0).all()
    middle = calibration.probability(np.array([0.0]), np.array([1.0]), 1.0)
    assert middle == pytest.approx(1 / (1 + np.exp(0.5)))
