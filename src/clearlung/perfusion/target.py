"""`Target`: what one perfusion reaches, a lung or some lobes of it."""

from __future__ import annotations

from dataclasses import dataclass

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe, Side
from clearlung.errors import PerfusionError


@dataclass(frozen=True)
class Target:
    """A set of lobes of one lung that is perfused at once.

    Parameters
    ----------
    name
        As ``--target`` takes it.
    side
        The lung.
    lobes
        What is perfused of it, in the order of :data:`clearlung.anatomy.LOBES`.
    title
        In words.
    source
        Where perfusing these lobes alone was published; "" for a whole lung.
    evidence
        Ids of the evidence entries about it.
    """

    name: str
    side: Side
    lobes: tuple[Lobe, ...]
    title: str
    source: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def whole_lung(self) -> bool:
        """Whether all lobes of the lung are perfused."""
        return self.lobes == lobes_of(self.side)


def lobes_of(side: Side) -> tuple[Lobe, ...]:
    """Return the lobes of a lung, from the head down."""
    return tuple(lobe for lobe in LOBES if LOBE_SIDES[lobe] == side)


_PATENT = (
    "Patent RU 2432123 (Levchenko and others, published 2011): the pulmonary artery is cannulated through"
    " the interlobar artery, and the lower lobe stays in circulation"
)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("right", "right", lobes_of("right"), "the right lung"),
        Target("left", "left", lobes_of("left"), "the left lung"),
        Target(
            "right-upper-middle",
            "right",
            ("RUL", "RML"),
            "the right upper and middle lobes",
            source=_PATENT,
            evidence=("circuit.lobar.right_upper_middle",),
        ),
        Target(
            "left-upper",
            "left",
            ("LUL",),
            "the left upper lobe",
            source=_PATENT,
            evidence=("circuit.lobar.left_upper",),
        ),
    )
}
"""What can be perfused, by name; a further set of lobes is one more entry."""


def find_target(name: str | None = None, side: str | None = None) -> Target:
    """Return a target by its name, its side, or both.

    Parameters
    ----------
    name
        One of :data:`TARGETS`; None for the whole lung of the side.
    side
        "right" or "left"; None where the name says it.

    Returns
    -------
    Target
        The target; a side alone means its whole lung.

    Raises
    ------
    PerfusionError
        If there is no such target or side, neither is given, or they contradict each other.

    Examples
    --------
    >>> find_target(side="left").lobes
    ('LUL', 'LLL')
    >>> find_target("right-upper-middle").side
    'right'
    """
    if name is None and side is None:
        raise PerfusionError("target", "say what is perfused: a side, right or left, or a target by name")
    if name is not None and name not in TARGETS:
        raise PerfusionError("target", f"{name!r} is not one of {', '.join(TARGETS)}")
    if side is not None and side not in ("right", "left"):
        raise PerfusionError("side", f"{side!r} is neither right nor left: a perfusion is of one lung")
    target = TARGETS[name or side or ""]
    if side is not None and target.side != side:
        raise PerfusionError(
            "target", f"{target.name} lies in the {target.side} lung, and side {side} was given: name one"
        )
    return target
