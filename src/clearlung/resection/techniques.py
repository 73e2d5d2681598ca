"""Techniques: registered ways to cut a metastasis out, each with its margin and what it allows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clearlung.errors import ProtocolError
from clearlung.evidence import EvidenceBook

TIME_EVIDENCE = ("time.nodule.superficial", "time.nodule.deep", "time.nodule.deep_from")


@dataclass(frozen=True)
class Technique(ABC):
    """One way to cut a metastasis out.

    Parameters
    ----------
    name
        The name that protocols use.
    title
        The name that reports use.
    margin_mm
        Rim of lung planned around the metastasis.
    depth_limit_mm
        How deep below the pleura it may reach; what is measured, :meth:`reach_mm` says.
    evidence
        Ids of the evidence entries it rests on.
    """

    name: str
    title: str
    margin_mm: float
    depth_limit_mm: float
    evidence: tuple[str, ...]

    @abstractmethod
    def reach_mm(self, diameter_mm: float, depth_mm: float) -> float:
        """Return how deep below the pleura it would reach."""

    @abstractmethod
    def sphere_ml(self, diameter_mm: float, depth_mm: float) -> float:
        """Return the tissue taken out around a sphere at a depth below a flat pleura, ml."""

    def refusal(self, diameter_mm: float, depth_mm: float) -> str | None:
        """Return why it does not fit a metastasis, or None where it does."""
        reach = self.reach_mm(diameter_mm, depth_mm)
        if reach > self.depth_limit_mm:
            return f"{self.title} would reach {reach:.0f} mm deep, limit {self.depth_limit_mm:.0f} mm"
        return None


@dataclass(frozen=True)
class Enucleation(Technique):
    """Laser enucleation: the metastasis and a rim, the overlying lung split and closed again."""

    def reach_mm(self, diameter_mm: float, depth_mm: float) -> float:
        """Return the depth of the bed's floor."""
        return depth_mm + diameter_mm / 2 + self.margin_mm

    def sphere_ml(self, diameter_mm: float, depth_mm: float) -> float:
        """Return the volume of the sphere with its rim, less the cap that lies outside the lung."""
        radius = diameter_mm / 2 + self.margin_mm
        cap_height = max(0.0, radius - depth_mm)
        cap = np.pi * cap_height**2 * (3 * radius - cap_height) / 3
        return float(4 / 3 * np.pi * radius**3 - cap) / 1000


@dataclass(frozen=True)
class Wedge(Technique):
    """Stapled wedge: reaches the pleura, so all that lies above the metastasis goes with it."""

    diameter_limit_mm: float

    def reach_mm(self, diameter_mm: float, depth_mm: float) -> float:
        """Return the depth of the metastasis's far side."""
        return depth_mm + diameter_mm / 2

    def sphere_ml(self, diameter_mm: float, depth_mm: float) -> float:
        """Return the volume of a half sphere below the center and a cylinder up to the pleura."""
        radius = diameter_mm / 2 + self.margin_mm
        return float(2 / 3 * np.pi * radius**3 + np.pi * radius**2 * depth_mm) / 1000

    def refusal(self, diameter_mm: float, depth_mm: float) -> str | None:
        """Return why it does not fit a metastasis, or None where it does."""
        if diameter_mm > self.diameter_limit_mm:
            return (
                f"{self.title} is for {self.diameter_limit_mm:.0f} mm at most, and it is {diameter_mm:.0f} mm"
            )
        return super().refusal(diameter_mm, depth_mm)


def _laser(book: EvidenceBook) -> Technique:
    return Enucleation(
        name="laser",
        title="laser enucleation",
        margin_mm=book.value("technique.laser.rim", unit="mm"),
        depth_limit_mm=book.value("technique.laser.depth_limit", unit="mm"),
        evidence=(
            "technique.laser.rim",
            "technique.laser.airtight_depth",
            "technique.laser.sutured_depth",
            "technique.laser.depth_limit",
        ),
    )


def _wedge(book: EvidenceBook) -> Technique:
    return Wedge(
        name="wedge",
        title="wedge",
        margin_mm=book.value("technique.wedge.margin", unit="mm"),
        depth_limit_mm=book.value("technique.wedge.depth_limit", unit="mm"),
        diameter_limit_mm=book.value("technique.wedge.diameter_limit", unit="mm"),
        evidence=("technique.wedge.margin", "technique.wedge.depth_limit", "technique.wedge.diameter_limit"),
    )


TECHNIQUES = {"laser": _laser, "wedge": _wedge}
"""The techniques by name: each makes itself from the evidence."""


def make_techniques(names: Sequence[str], book: EvidenceBook) -> tuple[Technique, ...]:
    """Return registered techniques.

    Parameters
    ----------
    names
        Keys of :data:`TECHNIQUES`, in order of preference.
    book
        The evidence that their margins and limits come from.

    Returns
    -------
    tuple of Technique
        In the given order.

    Raises
    ------
    ProtocolError
        If a name is not registered.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> laser, wedge = make_techniques(["laser", "wedge"], load_evidence())
    >>> round(laser.sphere_ml(diameter_mm=10, depth_mm=30), 2)  # a sphere of 20 mm
    4.19
    >>> laser.refusal(diameter_mm=10, depth_mm=70)
    'laser enucleation would reach 80 mm deep, limit 60 mm'
    """
    for name in names:
        if name not in TECHNIQUES:
            raise ProtocolError("resection.techniques", f"{name!r} is not one of {', '.join(TECHNIQUES)}")
    return tuple(TECHNIQUES[name](book) for name in names)


def minutes_for(depth_mm: float, book: EvidenceBook) -> float:
    """Return the minutes that one metastasis takes, without access.

    They rise in a straight line from the surface to the depth from which the deep time holds.
    """
    superficial = book.value("time.nodule.superficial", unit="min")
    deep = book.value("time.nodule.deep", unit="min")
    deep_from = book.value("time.nodule.deep_from", unit="mm")
    return superficial + (deep - superficial) * min(1.0, depth_mm / deep_from)
