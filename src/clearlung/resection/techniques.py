"""Techniques: registered ways to cut metastases out, each with its margin rule and what it allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clearlung.errors import ProtocolError
from clearlung.evidence import EvidenceBook
from clearlung.resection.candidates import Closure

Kind = Literal["enucleation", "wedge", "segment", "lobe"]
"""The shape of what is cut: around the metastasis, up to the pleura, a segment, a lobe."""


@dataclass(frozen=True)
class MarginRule:
    """How wide a rim of lung is planned, by the metastasis's diameter.

    It rises in a straight line from ``least_mm`` at ``from_mm`` to ``most_mm`` at ``to_mm``.
    """

    least_mm: float
    most_mm: float
    from_mm: float
    to_mm: float

    def __call__(self, diameter_mm: float) -> float:
        """Return the rim for a diameter, mm."""
        return float(np.interp(diameter_mm, [self.from_mm, self.to_mm], [self.least_mm, self.most_mm]))


@dataclass(frozen=True)
class Technique:
    """One way to cut metastases out.

    Parameters
    ----------
    name
        The name that protocols use.
    title
        The name that reports use.
    kind
        The shape of what is cut.
    margin
        Rim of lung planned around a metastasis.
    needed
        Rim below which a margin counts as short.
    depth_limit_mm
        How deep below the pleura it may reach: an enucleation's floor, a wedge's farthest tumor.
    diameter_limit_mm, extent_limit_mm
        Largest metastasis, and largest extent of several in one specimen.
    vessel_limit_mm, bronchus_limit_mm
        Widest vessel and bronchus that may be cut.
    airtight_mm, sutured_mm
        Depth to which its bed is airtight by itself, and is known to be with a suture; NaN where staples or a
        stump close it.
    superficial_minutes, deep_minutes, deep_from_mm
        Minutes for one metastasis at the surface, and from that depth on; between, a straight line.
    together_minutes
        Minutes for each further one in the same specimen.
    evidence
        Ids of the evidence entries it rests on.
    """

    name: str
    title: str
    kind: Kind
    margin: MarginRule
    needed: MarginRule
    depth_limit_mm: float
    diameter_limit_mm: float
    extent_limit_mm: float
    vessel_limit_mm: float
    bronchus_limit_mm: float
    airtight_mm: float
    sutured_mm: float
    superficial_minutes: float
    deep_minutes: float
    deep_from_mm: float
    together_minutes: float
    evidence: tuple[str, ...]

    @property
    def anatomical(self) -> bool:
        """Whether it takes a segment or a lobe."""
        return self.kind in ("segment", "lobe")

    def margin_mm(self, diameter_mm: float) -> float:
        """Return the rim planned around a metastasis."""
        return self.margin(diameter_mm)

    def minutes(self, depth_mm: float, lesions: int = 1) -> float:
        """Return the minutes of one specimen, without access.

        Parameters
        ----------
        depth_mm
            Depth of its deepest metastasis's center below the pleura.
        lesions
            How many it holds: the first costs what its depth costs, the others come out with it.
        """
        share = min(1.0, depth_mm / self.deep_from_mm)
        first = self.superficial_minutes + (self.deep_minutes - self.superficial_minutes) * share
        return first + self.together_minutes * (lesions - 1)

    def reach_mm(self, diameter_mm: float, depth_mm: float) -> float:
        """Return how deep below the pleura it would reach for a sphere: what the depth limit is held to."""
        rim = self.margin(diameter_mm) if self.kind == "enucleation" else 0.0
        return depth_mm + diameter_mm / 2 + rim

    def refusal(self, diameter_mm: float, depth_mm: float) -> str | None:
        """Return why it does not fit a metastasis of this size and depth, or None where it does."""
        if diameter_mm > self.diameter_limit_mm:
            return (
                f"{self.title} is for {self.diameter_limit_mm:.0f} mm at most, and it is {diameter_mm:.0f} mm"
            )
        return self.too_deep(self.reach_mm(diameter_mm, depth_mm))

    def too_deep(self, reach_mm: float) -> str | None:
        """Return why that depth is beyond it, or None where it is not."""
        if reach_mm > self.depth_limit_mm:
            return f"{self.title} would reach {reach_mm:.0f} mm deep, limit {self.depth_limit_mm:.0f} mm"
        return None

    def closure(self, reach_mm: float) -> Closure:
        """Return how the lung is closed after a cut of this depth."""
        if self.kind == "enucleation":
            if reach_mm <= self.airtight_mm:
                return "airtight"
            return "suture" if reach_mm <= self.sutured_mm else "untested"
        return "staples" if self.kind == "wedge" else "stump"

    def sphere_ml(self, diameter_mm: float, depth_mm: float) -> float:
        """Return the tissue taken out around a sphere at a depth below a flat pleura, ml.

        An enucleation is the sphere with its rim, less the cap that lies outside the lung; a wedge a half
        sphere below the center and a cylinder up to the pleura.

        Raises
        ------
        ValueError
            For a segment or a lobe, whose size does not follow from the metastasis.
        """
        radius = diameter_mm / 2 + self.margin(diameter_mm)
        if self.kind == "wedge":
            return float(2 / 3 * np.pi * radius**3 + np.pi * radius**2 * depth_mm) / 1000
        if self.kind != "enucleation":
            raise ValueError(f"{self.title} has no size of its own")
        cap_height = max(0.0, radius - depth_mm)
        cap = np.pi * cap_height**2 * (3 * radius - cap_height) / 3
        return float(4 / 3 * np.pi * radius**3 - cap) / 1000


NEEDED_EVIDENCE = (
    "margin.satellite.margin_small",
    "margin.satellite.margin_large",
    "technique.margin.small_to",
    "technique.margin.large_from",
)
_TIME_EVIDENCE = (
    "time.nodule.superficial",
    "time.nodule.deep",
    "time.nodule.deep_from",
    "technique.together_minutes",
)
_BED_EVIDENCE = (
    "technique.laser.airtight_depth",
    "technique.laser.sutured_depth",
    "technique.vessel_limit",
    "technique.bronchus_limit",
    "technique.bed_extent",
)


def needed_margin(book: EvidenceBook) -> MarginRule:
    """Return the rim below which a margin counts as short: 3 mm for small metastases, 8 mm for large ones."""
    small, large, small_to, large_from = NEEDED_EVIDENCE
    return MarginRule(
        book.value(small, unit="mm"),
        book.value(large, unit="mm"),
        book.value(small_to, unit="mm"),
        book.value(large_from, unit="mm"),
    )


def _conventional(book: EvidenceBook) -> MarginRule:
    """Return the conventional margin: the metastasis's own diameter, within the published 5 to 10 mm."""
    entry = book["technique.wedge.margin"]
    least, most = entry.low, entry.high
    if least is None or most is None:
        least = most = book.value("technique.wedge.margin", unit="mm")
    return MarginRule(least, most, least, most)


def _bed(
    book: EvidenceBook, name: str, title: str, margin: MarginRule, evidence: tuple[str, ...]
) -> Technique:
    """Return an enucleation; where only the laser's beds were tested, their depths are taken."""
    return Technique(
        name=name,
        title=title,
        kind="enucleation",
        margin=margin,
        needed=needed_margin(book),
        depth_limit_mm=book.value(f"technique.{name}.depth_limit", unit="mm"),
        diameter_limit_mm=np.inf,
        extent_limit_mm=book.value("technique.bed_extent", unit="mm"),
        airtight_mm=book.value("technique.laser.airtight_depth", unit="mm"),
        sutured_mm=book.value("technique.laser.sutured_depth", unit="mm"),
        evidence=(
            *evidence,
            f"technique.{name}.depth_limit",
            *_BED_EVIDENCE,
            *NEEDED_EVIDENCE,
            *_TIME_EVIDENCE,
        ),
        **_vessels(book),
        **_minutes(book),
    )


def _vessels(book: EvidenceBook) -> dict[str, float]:
    return {
        "vessel_limit_mm": book.value("technique.vessel_limit", unit="mm"),
        "bronchus_limit_mm": book.value("technique.bronchus_limit", unit="mm"),
    }


def _minutes(book: EvidenceBook) -> dict[str, float]:
    return {
        "superficial_minutes": book.value("time.nodule.superficial", unit="min"),
        "deep_minutes": book.value("time.nodule.deep", unit="min"),
        "deep_from_mm": book.value("time.nodule.deep_from", unit="mm"),
        "together_minutes": book.value("technique.together_minutes", unit="min"),
    }


def _laser(book: EvidenceBook) -> Technique:
    rim = book.value("technique.laser.rim", unit="mm")
    needed = needed_margin(book)
    most = max(rim, needed.most_mm)
    # The published rim until what a large metastasis needs is more.
    slope = (needed.most_mm - needed.least_mm) / max(needed.to_mm - needed.from_mm, 1e-9)
    begins = needed.from_mm + max(0.0, rim - needed.least_mm) / slope if slope > 0 else needed.to_mm
    return _bed(
        book,
        "laser",
        "laser enucleation",
        MarginRule(rim, most, min(begins, needed.to_mm), needed.to_mm),
        ("technique.laser.rim",),
    )


def _cautery(book: EvidenceBook) -> Technique:
    return _bed(book, "cautery", "cautery enucleation", _conventional(book), ("technique.wedge.margin",))


def _wedge(book: EvidenceBook) -> Technique:
    own = ("margin", "depth_limit", "diameter_limit", "extent_limit")
    return Technique(
        name="wedge",
        title="wedge",
        kind="wedge",
        margin=_conventional(book),
        needed=needed_margin(book),
        depth_limit_mm=book.value("technique.wedge.depth_limit", unit="mm"),
        diameter_limit_mm=book.value("technique.wedge.diameter_limit", unit="mm"),
        extent_limit_mm=book.value("technique.wedge.extent_limit", unit="mm"),
        airtight_mm=np.nan,
        sutured_mm=np.nan,
        evidence=(
            *(f"technique.wedge.{name}" for name in own),
            "technique.vessel_limit",
            "technique.bronchus_limit",
            *NEEDED_EVIDENCE,
            *_TIME_EVIDENCE,
        ),
        **_vessels(book),
        **_minutes(book),
    )


def _anatomical(book: EvidenceBook, name: str, kind: Kind) -> Technique:
    minutes = book.value(f"technique.{name}.minutes", unit="min")
    return Technique(
        name=name,
        title=name,
        kind=kind,
        margin=needed_margin(book),
        needed=needed_margin(book),
        depth_limit_mm=np.inf,
        diameter_limit_mm=np.inf,
        extent_limit_mm=np.inf,
        vessel_limit_mm=np.inf,
        bronchus_limit_mm=np.inf,
        airtight_mm=np.nan,
        sutured_mm=np.nan,
        superficial_minutes=minutes,
        deep_minutes=minutes,
        deep_from_mm=1.0,
        together_minutes=0.0,
        evidence=(f"technique.{name}.minutes", *NEEDED_EVIDENCE),
    )


def _segmentectomy(book: EvidenceBook) -> Technique:
    return _anatomical(book, "segmentectomy", "segment")


def _lobectomy(book: EvidenceBook) -> Technique:
    return _anatomical(book, "lobectomy", "lobe")


TECHNIQUES: dict[str, Callable[[EvidenceBook], Technique]] = {
    "laser": _laser,
    "cautery": _cautery,
    "wedge": _wedge,
    "segmentectomy": _segmentectomy,
    "lobectomy": _lobectomy,
}
"""The techniques by name: each makes itself from the evidence."""


def make_techniques(names: Sequence[str], book: EvidenceBook) -> tuple[Technique, ...]:
    """Return registered techniques.

    Parameters
    ----------
    names
        Keys of :data:`TECHNIQUES`.
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
    >>> wedge.margin_mm(7.0), wedge.margin_mm(20.0)  # its diameter, within 5 to 10 mm
    (7.0, 10.0)
    """
    for name in names:
        if name not in TECHNIQUES:
            raise ProtocolError("resection.techniques", f"{name!r} is not one of {', '.join(TECHNIQUES)}")
    return tuple(TECHNIQUES[name](book) for name in names)
