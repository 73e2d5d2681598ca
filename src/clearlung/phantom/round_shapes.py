"""Uneven round shapes: a radius that changes with the direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEGREES = np.array([2, 2, 2, 3, 3, 4, 4])
_DIRECTIONS = 400


def fibonacci_sphere(n: int = _DIRECTIONS) -> NDArray[np.float64]:
    """Directions spread evenly over the sphere, shape (n, 3)."""
    k = np.arange(n) + 0.5
    z = 1 - 2 * k / n
    angle = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z**2)
    return np.column_stack([ring * np.cos(angle), ring * np.sin(angle), z])


def _legendre(degree: int, c: NDArray[np.float64]) -> NDArray[np.float64]:
    if degree == 2:
        return np.asarray((3 * c**2 - 1) / 2)
    if degree == 3:
        return np.asarray((5 * c**3 - 3 * c) / 2)
    return np.asarray((35 * c**4 - 30 * c**2 + 3) / 8)


def relative_radius(
    axes: NDArray[np.float64], weights: NDArray[np.float64], directions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Radius in each direction (n, 3), over the mean size; shape (n,)."""
    total = np.ones(len(directions))
    for axis, weight, degree in zip(axes, weights, DEGREES, strict=True):
        total += weight * _legendre(int(degree), directions @ axis)
    return total


def mean_cube(
    axes: NDArray[np.float64], weights: NDArray[np.float64], directions: NDArray[np.float64]
) -> float:
    """Volume of a shape over that of the ball of its mean size."""
    return float(np.mean(relative_radius(axes, weights, directions) ** 3))
