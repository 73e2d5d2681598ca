"""What the network is shown: patches of candidates in many variations, with the answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clearlung.nodules.network import (
    LEAST_DIAMETER_MM,
    PATCH,
    WIDE_PER_NEAR,
    WINDOW_HU,
    Pyramid,
    near_step_mm,
    sample_patches,
    size_terms,
)
from training.cases import Case

# A candidate is a nodule if its center is this near, in radii or in mm, and its size fits within this factor.
NEAR_RADII, NEAR_MM = 0.55, 1.25
SIZE_FACTOR = 1.8
# What is on or beside a nodule but no good fit teaches nothing.
BESIDE_MM = 1.0

SHIFT_DIAMETERS = 0.12
SCALE_LOG = 0.2
NOISE_HU = 25.0
OFFSET_HU = 30.0
CONTRAST = 0.15
TILT = 0.25


@dataclass(frozen=True, eq=False)
class Samples:
    """Candidates of many cases.

    Parameters
    ----------
    case
        int64, shape (n,): which case.
    center
        Shape (n, 3): voxel index.
    diameter_mm
        Shape (n,): as proposed.
    known
        int64, shape (n,): the known nodule that it is, or -1.
    """

    case: NDArray[np.int64]
    center: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    known: NDArray[np.int64]

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Which are nodules."""
        return self.known >= 0

    def __len__(self) -> int:
        return len(self.case)


def label_candidates(case: Case) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Tell which known nodule each candidate is (-1: none), and which candidates are doubtful."""
    spacing = case.spacing_mm
    known = np.full(len(case.candidates), -1, dtype=np.int64)
    doubtful = np.zeros(len(case.candidates), dtype=np.bool_)
    tree = cKDTree(case.candidates * spacing)
    closest = np.full(len(case.candidates), np.inf)
    for row, (place, diameter) in enumerate(zip(case.known * spacing, case.known_mm, strict=True)):
        around = np.array(tree.query_ball_point(place, 0.5 * diameter + BESIDE_MM), dtype=np.int64)
        if not len(around):
            continue
        doubtful[around] = True
        if diameter < LEAST_DIAMETER_MM:
            continue
        distance = np.linalg.norm(case.candidates[around] * spacing - place, axis=1)
        size = np.abs(np.log(case.candidate_mm[around] / diameter))
        fits = (distance <= max(NEAR_RADII * 0.5 * diameter, NEAR_MM)) & (size <= np.log(SIZE_FACTOR))
        nearer = fits & (distance < closest[around])
        known[around[nearer]] = row
        closest[around[nearer]] = distance[nearer]
    return known, doubtful & (known < 0)


def gather(cases: list[Case]) -> Samples:
    """Label the candidates of all cases and leave out the doubtful ones."""
    parts = []
    for number, case in enumerate(cases):
        known, doubtful = label_candidates(case)
        kept = np.flatnonzero(~doubtful)
        parts.append(
            (np.full(len(kept), number), case.candidates[kept], case.candidate_mm[kept], known[kept])
        )
    case, center, diameter, known = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Samples(case.astype(np.int64), center, diameter, known)


class Feeder:
    """Draws batches: half of them nodules, the rest what the network last took most for nodules.

    Parameters
    ----------
    cases
        What to learn from.
    seed
        Of everything random.
    """

    def __init__(self, cases: list[Case], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.cases = cases
        self.pyramids = [Pyramid.of(case.hu, case.lungs, case.spacing_mm) for case in cases]
        self.samples = gather(cases)
        self.nodules = np.flatnonzero(self.samples.positive)
        self.others = np.flatnonzero(~self.samples.positive)
        self.weight = np.ones(len(self.others))
        # Every nodule weighs the same, however many candidates it has.
        name = self.samples.case[self.nodules] * 100_000 + self.samples.known[self.nodules]
        _, inverse, counts = np.unique(name, return_inverse=True, return_counts=True)
        self.nodule_weight = 1.0 / counts[inverse]

    def draw(self, size: int, nodule_share: float) -> NDArray[np.int64]:
        """Draw rows of the samples."""
        many = round(size * nodule_share)
        rows = self._pick(self.nodules, self.nodule_weight, many)
        return np.concatenate([rows, self._pick(self.others, self.weight, size - many)])

    def _pick(self, rows: NDArray[np.int64], weight: NDArray[np.float64], many: int) -> NDArray[np.int64]:
        total = np.cumsum(weight)
        return rows[np.searchsorted(total, self.rng.random(many) * total[-1])]

    def learn(self, rows: NDArray[np.int64], probability: NDArray[np.float64], floor: float = 0.03) -> None:
        """Draw what was taken for a nodule more often from now on."""
        place = np.searchsorted(self.others, rows)
        place = np.minimum(place, len(self.others) - 1)
        mine = self.others[place] == rows
        self.weight[place[mine]] = floor + probability[mine]

    def batch(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], ...]:
        """Return near and wide patches, size terms, and answers (nodule, log size, offset), all varied."""
        count, rng = len(rows), self.rng
        samples = self.samples
        diameter = samples.diameter_mm[rows]
        shown = diameter * np.exp(rng.uniform(-SCALE_LOG, SCALE_LOG, count))
        shift = rng.normal(0.0, SHIFT_DIAMETERS, (count, 3)).clip(-0.3, 0.3) * diameter[:, None]
        turns = self._turns(count)
        near = np.empty((count, 2, PATCH, PATCH, PATCH), dtype=np.float32)
        wide = np.empty_like(near)
        terms = np.empty((count, 3), dtype=np.float32)
        answers = np.zeros((count, 5), dtype=np.float32)
        for number in np.unique(samples.case[rows]):
            own = np.flatnonzero(samples.case[rows] == number)
            case = self.cases[number]
            center = samples.center[rows[own]] + shift[own] / case.spacing_mm
            step = near_step_mm(shown[own])
            near[own] = sample_patches(self.pyramids[number], center, step, turns[own], 1)
            wide[own] = sample_patches(self.pyramids[number], center, step * WIDE_PER_NEAR, turns[own], 1)
            terms[own] = size_terms(shown[own], case.spacing_mm)
            known = samples.known[rows[own]]
            hit = own[known >= 0]
            if len(hit):
                truth = known[known >= 0]
                offset = (case.known[truth] - center[known >= 0]) * case.spacing_mm / shown[hit, None]
                answers[hit, 0] = 1.0
                answers[hit, 1] = np.log(case.known_mm[truth] / shown[hit])
                answers[hit, 2:] = np.einsum("nij,ni->nj", turns[hit], offset)
        self._spoil(near, wide)
        return near, wide, terms, answers

    def _turns(self, count: int) -> NDArray[np.float64]:
        """Draw turns about the body's axis, mirrored at random, and slightly tilted."""
        rng = self.rng
        angle = rng.uniform(0, 2 * np.pi, count)
        turns = np.zeros((count, 3, 3))
        turns[:, 0, 0] = 1.0
        turns[:, 1, 1] = turns[:, 2, 2] = np.cos(angle)
        turns[:, 1, 2] = -np.sin(angle)
        turns[:, 2, 1] = np.sin(angle)
        tilt = rng.uniform(-TILT, TILT, count)
        lean = np.zeros((count, 3, 3))
        lean[:, 2, 2] = 1.0
        lean[:, 0, 0] = lean[:, 1, 1] = np.cos(tilt)
        lean[:, 0, 1] = -np.sin(tilt)
        lean[:, 1, 0] = np.sin(tilt)
        return turns @ lean * rng.choice([-1.0, 1.0], (count, 1, 3))

    def _spoil(self, near: NDArray[np.float32], wide: NDArray[np.float32]) -> None:
        """Change contrast, level and noise, the same in both patches."""
        count, rng = len(near), self.rng
        unit = WINDOW_HU[1] - WINDOW_HU[0]
        shape = (count, 1, 1, 1)
        contrast = 1.0 + rng.uniform(-CONTRAST, CONTRAST, shape).astype(np.float32)
        offset = (rng.uniform(-OFFSET_HU, OFFSET_HU, shape) / unit).astype(np.float32)
        noise = (rng.uniform(0.0, NOISE_HU, shape) * (rng.random(shape) < 0.5) / unit).astype(np.float32)
        for patch in (near, wide):
            patch[:, 0] = patch[:, 0] * contrast + offset
            patch[:, 0] += noise * rng.standard_normal(patch[:, 0].shape, dtype=np.float32)
