"""Fitting the network on one processor core, with the batches drawn on another."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.cases import Case
from training.model import NoduleNetwork
from training.samples import Feeder


@dataclass(frozen=True)
class Fitting:
    """How the network is fitted.

    Parameters
    ----------
    steps, batch
        How many batches of how many candidates.
    nodule_share
        Share of nodules in a batch.
    rate
        Highest learning rate; it rises and falls once.
    decay
        Of the weights.
    place_weight
        Weight of size and place beside the judgment.
    averaging
        The weights that are kept are running averages over about ``1 / (1 - averaging)`` steps.
    seed
        Of the weights at the start and of what is drawn.
    """

    steps: int = 5000
    batch: int = 64
    nodule_share: float = 0.4
    rate: float = 2.5e-3
    decay: float = 1e-3
    place_weight: float = 0.5
    averaging: float = 0.997
    seed: int = 1


@dataclass
class Curve:
    """What the losses were, every hundred steps."""

    step: list[int] = field(default_factory=list)
    judgment: list[float] = field(default_factory=list)
    place: list[float] = field(default_factory=list)


def fit(cases: list[Case], how: Fitting, tell: Callable[[str], None]) -> tuple[NoduleNetwork, Curve]:
    """Fit the network.

    Parameters
    ----------
    cases
        Those to learn from.
    how
        Steps, rate, seed.
    tell
        Called with a line every hundred steps.

    Returns
    -------
    network, curve
        With averaged weights, ready to judge.
    """
    torch.manual_seed(how.seed)
    torch.set_num_threads(1)
    network = NoduleNetwork().to(memory_format=torch.channels_last_3d)
    kept = copy.deepcopy(network).requires_grad_(False)
    descent = torch.optim.AdamW(network.parameters(), lr=how.rate, weight_decay=how.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(descent, how.rate, total_steps=how.steps, pct_start=0.15)
    feeder = Feeder(cases, how.seed)
    tell(f"{len(feeder.nodules)} candidates are nodules, {len(feeder.others)} are not")
    curve, start, recent = Curve(), time.perf_counter(), []
    for step, (rows, near, wide, terms, answers) in enumerate(_batches(feeder, how), start=1):
        network.train()
        said = network(
            near.contiguous(memory_format=torch.channels_last_3d),
            wide.contiguous(memory_format=torch.channels_last_3d),
            terms,
        )
        judgment, place = _losses(said, answers)
        descent.zero_grad(set_to_none=True)
        (judgment + how.place_weight * place).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        descent.step()
        schedule.step()
        _average(kept, network, min(how.averaging, step / (step + 10)))
        feeder.learn(rows, torch.sigmoid(said[:, 0]).detach().numpy().astype(np.float64))
        recent.append((judgment.item(), place.item()))
        if step % 100 == 0:
            means = np.mean(recent, axis=0)
            recent.clear()
            curve.step.append(step)
            curve.judgment.append(round(float(means[0]), 4))
            curve.place.append(round(float(means[1]), 4))
            tell(f"step {step}: {means[0]:.4f} {means[1]:.4f}, {time.perf_counter() - start:.0f} s")
    return kept.eval(), curve


def _batches(feeder: Feeder, how: Fitting) -> Iterator[tuple[np.ndarray, Tensor, Tensor, Tensor, Tensor]]:
    """Draw the next batch while the last one is learned from."""

    def draw() -> tuple[np.ndarray, Tensor, Tensor, Tensor, Tensor]:
        rows = feeder.draw(how.batch, how.nodule_share)
        near, wide, terms, answers = (torch.from_numpy(part) for part in feeder.batch(rows))
        return rows, near, wide, terms, answers

    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(draw)
        for _ in range(how.steps):
            batch = coming.result()
            coming = pool.submit(draw)
            yield batch


def _losses(said: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    judgment = functional.binary_cross_entropy_with_logits(said[:, 0], answers[:, 0])
    nodule = answers[:, 0] > 0.5
    place = functional.smooth_l1_loss(said[nodule, 1:], answers[nodule, 1:], beta=0.1)
    return judgment, place


def _average(kept: NoduleNetwork, network: NoduleNetwork, share: float) -> None:
    """Move the kept weights and statistics towards the network's."""
    with torch.no_grad():
        for old, new in zip(kept.state_dict().values(), network.state_dict().values(), strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1.0 - share)
            else:
                old.copy_(new)
