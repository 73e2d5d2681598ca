"""Which bronchus is which: names and lobes from how the tree parts and where its branches go.

On each side one line is followed from the carina to the base of the lower lobe, always into the branch whose
part of the tree lies lowest and furthest to the back. What comes off that line, in its order and by its
direction, are the upper and middle lobes' bronchi and the lower lobe's own branches. A branch that fits none
of them keeps an empty lobe: a wrong name does more harm than none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.tree import BranchTree

# A subtree shorter than this decides nothing: it may be a ridge of the wall or mucus.
LEAST_SUBTREE_MM = 7.0
# Each side of the carina holds at least this much of the tree; with less there is one lung, or no carina in
# the scan.
LEAST_SIDE_MM = 25.0
# Two partings this near to each other on the line are one that came apart, as where the branches of an upper
# lobe spring from the main bronchus by themselves.
SAME_PARTING_MM = 9.0
# An upper lobe's bronchus rises, or runs level where only its front branch is seen: the rise of the direction
# to the middle of its subtree, as a share of the way.
UPPER_RISE = -0.3
# The right upper lobe's bronchus comes off within this of the carina, tall patients included. Mean 20 mm.
UPPER_WITHIN_MM = 45.0
# The middle lobe's bronchus runs to the front and not steeply down; the lower lobe's front branches do.
MIDDLE_FORWARD = 0.35
MIDDLE_FALL = 0.85
# It comes off no further than this below the lower lobe's superior branch; lower ones are basal.
MIDDLE_BELOW_MM = 16.0
# Unless it runs so straight to the front that it can be no other.
SURELY_FORWARD = 0.75
# The superior branch of a lower lobe runs to the back.
SUPERIOR_BACKWARD = 0.3
SUPERIOR_MM = 12.0
# What is left of a lower lobe's bronchus leads down and back: 0.8 to 1.1 of the way. A middle lobe's, which
# the line ends in where there is no lower one: below 0.2.
LOWER_DEPTH = 0.35
# In a shallow breath it leads to the back more than down; a middle lobe's leads to the front.
LOWER_BACKWARD = 0.15
# The line goes on into a branch whose tree and width are at least these shares of the largest beside it:
# twigs run in every direction.
ONWARD_TREE, ONWARD_WIDTH = 0.2, 0.5
# A bronchus from the trachea itself is rare, a fold of its wall is not. It leads to the right, and does not
# fall as a main bronchus does.
TRACHEAL_BRONCHUS_MM = 20.0
TRACHEAL_ASIDE = 0.3
TRACHEAL_FALL = 0.5


@dataclass(frozen=True, eq=False)
class _Shape:
    """What naming asks about a tree.

    Parameters
    ----------
    children
        Per branch, those that spring from it.
    total_mm
        Length of each branch with all that springs from it.
    middle_mm
        Shape (n, 3): the middle of that, weighted by length.
    end_mm
        Shape (n, 3): where each branch ends.
    """

    tree: BranchTree
    children: list[list[int]]
    total_mm: NDArray[np.float64]
    middle_mm: NDArray[np.float64]
    end_mm: NDArray[np.float64]

    @classmethod
    def of(cls, tree: BranchTree) -> _Shape:
        count = len(tree)
        children: list[list[int]] = [[] for _ in range(count)]
        size = np.maximum(np.bincount(tree.branch, minlength=count), 1)
        total = tree.length_mm.astype(np.float64)
        moment = np.stack(
            [np.bincount(tree.branch, weights=axis, minlength=count) / size for axis in tree.points_mm.T],
            axis=1,
        )
        moment *= total[:, None]
        end = tree.points_mm[np.cumsum(size) - 1]
        for branch in range(count - 1, -1, -1):
            parent = int(tree.parent[branch])
            if parent >= 0:
                children[parent].insert(0, branch)
                total[parent] += total[branch]
                moment[parent] += moment[branch]
        return cls(tree, children, total, moment / np.maximum(total, 1e-6)[:, None], end)

    def counts(self, branch: int) -> list[int]:
        """Children that are long enough to decide anything."""
        return [child for child in self.children[branch] if self.total_mm[child] >= LEAST_SUBTREE_MM]

    def toward(self, branch: int) -> NDArray[np.float64]:
        """Return the unit vector from where a branch springs off to the middle of all that it leads to."""
        way = self.middle_mm[branch] - self.end_mm[self.tree.parent[branch]]
        return np.asarray(way / max(float(np.linalg.norm(way)), 1e-6))

    def all_of(self, branch: int) -> list[int]:
        """Return a branch with all that springs from it."""
        found = [branch]
        for at in found:
            found.extend(self.children[at])
        return found


@dataclass(frozen=True)
class _Offshoot:
    """A branch that comes off the line to the lower lobe's base.

    Parameters
    ----------
    branch
        The first one of its subtree.
    after
        Place on the line of the branch that it springs from.
    along_mm
        From the line's beginning to the parting.
    toward
        Where its subtree lies, seen from the parting: unit vector (x, y, z).
    """

    branch: int
    after: int
    along_mm: float
    toward: tuple[float, float, float]


def name_airways(tree: BranchTree) -> BranchTree:
    """Name the large airways and give each branch beyond a lobe's bronchus its lobe.

    Parameters
    ----------
    tree
        Airways from the trachea outwards.

    Returns
    -------
    BranchTree
        The same branches with ``name`` ("trachea", "right main", "bronchus intermedius", "right upper lobe",
        "middle lobe", "right lower lobe", "left main", "left upper lobe", "lingula", "left lower lobe",
        "tracheal bronchus", else "") and ``lobe`` ("" for central branches and where it is not sure).

    Notes
    -----
    Works without one lung and without a lobe: what is not there is not named.

    Examples
    --------
    >>> len(name_airways(BranchTree.empty()))
    0
    """
    lobe = np.full(len(tree), "", dtype="<U3")
    name = np.full(len(tree), "", dtype="<U24")
    if len(tree):
        shape = _Shape.of(tree)
        root = int(np.argmax(np.where(tree.parent < 0, shape.total_mm, -1.0)))
        trachea, mains = _carina(shape, root)
        name[trachea] = "trachea"
        if mains["right"] >= 0:
            _name_right(shape, mains["right"], lobe, name)
        if mains["left"] >= 0:
            _name_left(shape, mains["left"], lobe, name)
        _name_tracheal_bronchi(shape, trachea, mains, lobe, name)
    return replace(tree, lobe=lobe, name=name)


def _carina(shape: _Shape, root: int) -> tuple[list[int], dict[str, int]]:
    """Return the branches of the trachea and the main bronchi, -1 for one that is not there."""
    best, least = -1, LEAST_SIDE_MM
    sides: dict[str, int] = {}
    for branch in shape.all_of(root):
        kids = shape.counts(branch)
        right = [kid for kid in kids if shape.toward(kid)[0] < 0]
        left = [kid for kid in kids if shape.toward(kid)[0] > 0]
        if not right or not left:
            continue
        pair = {
            side: max(own, key=lambda k: shape.total_mm[k])
            for side, own in (("right", right), ("left", left))
        }
        smaller = min(shape.total_mm[kid] for kid in pair.values())
        if smaller > least:
            best, least, sides = branch, float(smaller), pair
    if best >= 0:
        return _up_to_root(shape, best), sides
    # One lung: the trachea goes on to the branch that leaves the middle.
    line = [root]
    while len(kids := shape.counts(line[-1])) == 1:
        line.append(kids[0])
    aside = float(shape.middle_mm[line[-1]][0] - shape.tree.points_mm[shape.tree.branch == root][:, 0].mean())
    if len(line) < 2 or abs(aside) < LEAST_SUBTREE_MM or shape.total_mm[line[1]] < LEAST_SIDE_MM:
        return line[:1], {"right": -1, "left": -1}
    side = "left" if aside > 0 else "right"
    return line[:1], {"right": -1, "left": -1, side: line[1]}


def _up_to_root(shape: _Shape, branch: int) -> list[int]:
    line = [branch]
    while (parent := int(shape.tree.parent[line[-1]])) >= 0:
        line.append(parent)
    return line[::-1]


def _line_to_base(shape: _Shape, main: int) -> tuple[list[int], list[_Offshoot]]:
    """Follow a main bronchus to the base of the lung, and list what comes off on the way."""
    line, off = [main], []
    along = float(shape.tree.length_mm[main])
    while kids := shape.counts(line[-1]):
        largest = max(shape.total_mm[kid] for kid in kids)
        widest = max(shape.tree.diameter_mm[kid] for kid in kids)
        able = [
            kid
            for kid in kids
            if shape.total_mm[kid] >= ONWARD_TREE * largest
            and shape.tree.diameter_mm[kid] >= ONWARD_WIDTH * widest
        ]
        onward = max(able or kids, key=lambda kid: _depth(shape, kid))
        for kid in kids:
            if kid != onward:
                x, y, z = shape.toward(kid).tolist()
                off.append(_Offshoot(kid, len(line) - 1, along, (x, y, z)))
        line.append(onward)
        along += float(shape.tree.length_mm[onward])
    return line, off


def _give(shape: _Shape, lobe: NDArray[np.str_], branch: int, to: str) -> None:
    lobe[shape.all_of(branch)] = to


def _give_from(shape: _Shape, lobe: NDArray[np.str_], line: list[int], place: int, to: str) -> None:
    """Give a lobe to the line from a place on, and to all that comes off there and has no lobe yet."""
    own = np.array(shape.all_of(line[place]))
    lobe[own[lobe[own] == ""]] = to


def _sinks(shape: _Shape, line: list[int], place: int) -> bool:
    """Whether the line goes on to the base or the back of the lung, as a lower lobe's bronchus does."""
    if place >= len(line):
        return False
    return _depth(shape, line[place]) > LOWER_DEPTH or shape.toward(line[place])[1] > LOWER_BACKWARD


def _depth(shape: _Shape, branch: int) -> float:
    """How far down, and half as much how far back, a branch leads, as a share of the way."""
    _, y, z = shape.toward(branch).tolist()
    return float(0.5 * y - z)


def _name_right(shape: _Shape, main: int, lobe: NDArray[np.str_], name: NDArray[np.str_]) -> None:
    line, off = _line_to_base(shape, main)
    name[main] = "right main"
    upper = _upper_right(off)
    for shoot in upper:
        _give(shape, lobe, shoot.branch, "RUL")
    if upper:
        name[upper[0].branch] = "right upper lobe"
        name[line[: upper[0].after + 1]] = "right main"
    below = [
        shoot for shoot in off if shoot not in upper and (not upper or shoot.along_mm >= upper[0].along_mm)
    ]
    superior = _superior(shape, below)
    middle = _middle(below, superior)
    if middle:
        _give(shape, lobe, middle.branch, "RML")
        name[middle.branch] = "middle lobe"
    first = [shoot for shoot in (middle, superior) if shoot]
    if not first:
        return
    if superior:
        _give(shape, lobe, superior.branch, "RLL")
    begins = (middle or first[0]).after + 1
    if _sinks(shape, line, begins):
        _give_from(shape, lobe, line, begins, "RLL")
        name[line[begins]] = "right lower lobe"
    if upper:
        name[line[upper[-1].after + 1 : min(s.after for s in first) + 1]] = "bronchus intermedius"


def _upper_right(off: list[_Offshoot]) -> list[_Offshoot]:
    """Return the right upper lobe's bronchus, or those of its branches that come off by themselves."""
    rising = [s for s in off if s.toward[2] > UPPER_RISE and s.along_mm <= UPPER_WITHIN_MM]
    if not rising:
        return []
    first = rising[0]
    return [s for s in rising if s.along_mm - first.along_mm <= SAME_PARTING_MM]


def _superior(shape: _Shape, off: list[_Offshoot]) -> _Offshoot | None:
    backward = (s for s in off if s.toward[1] > SUPERIOR_BACKWARD)
    return next((s for s in backward if shape.total_mm[s.branch] >= SUPERIOR_MM), None)


def _middle(below: list[_Offshoot], superior: _Offshoot | None) -> _Offshoot | None:
    limit = superior.along_mm + MIDDLE_BELOW_MM if superior else np.inf
    for shoot in below:
        _, y, z = shoot.toward
        within = shoot.along_mm <= limit or -y > SURELY_FORWARD
        if -y > MIDDLE_FORWARD and -z < MIDDLE_FALL and within:
            return shoot
    return None


def _name_left(shape: _Shape, main: int, lobe: NDArray[np.str_], name: NDArray[np.str_]) -> None:
    line, off = _line_to_base(shape, main)
    name[main] = "left main"
    upper = [s for s in off if s.toward[2] > UPPER_RISE or -s.toward[1] > MIDDLE_FORWARD]
    upper = [s for s in upper if s.toward[1] < SUPERIOR_BACKWARD]
    upper = [s for s in upper if s.along_mm - upper[0].along_mm <= SAME_PARTING_MM]
    superior = _superior(shape, [shoot for shoot in off if shoot not in upper])
    # Without an upper lobe the first to come off is the superior branch, and what runs forward is basal.
    if upper and superior and superior.along_mm < upper[0].along_mm - SAME_PARTING_MM:
        upper = []
    for shoot in upper:
        _give(shape, lobe, shoot.branch, "LUL")
    if upper:
        name[upper[0].branch] = "left upper lobe"
        name[line[: upper[0].after + 1]] = "left main"
        _name_lingula(shape, upper, name)
    begins = upper[-1].after if upper else superior.after if superior else -1
    if superior:
        _give(shape, lobe, superior.branch, "LLL")
    if begins >= 0 and _sinks(shape, line, begins + 1):
        _give_from(shape, lobe, line, begins + 1, "LLL")
        name[line[begins + 1]] = "left lower lobe"


def _name_lingula(shape: _Shape, upper: list[_Offshoot], name: NDArray[np.str_]) -> None:
    """Name the lingula: it falls to the front where the rest of the upper lobe rises."""
    kids = [s.branch for s in upper] if len(upper) > 1 else shape.counts(upper[0].branch)
    falls = sorted((float(shape.toward(kid)[2]), kid) for kid in kids)
    if (
        len(falls) >= 2
        and falls[0][0] < UPPER_RISE / 2
        and falls[-1][0] > 0
        and shape.toward(falls[0][1])[1] < 0
    ):
        name[falls[0][1]] = "lingula"


def _name_tracheal_bronchi(
    shape: _Shape, trachea: list[int], mains: dict[str, int], lobe: NDArray[np.str_], name: NDArray[np.str_]
) -> None:
    """Name what comes off the trachea itself to the right: it supplies the upper lobe."""
    if mains["right"] < 0 or mains["left"] < 0:
        return
    for branch in trachea:
        for kid in shape.counts(branch):
            if kid in trachea or kid in mains.values():
                continue
            x, _, z = shape.toward(kid).tolist()
            aside = -x > TRACHEAL_ASIDE and -z < TRACHEAL_FALL
            if aside and shape.total_mm[kid] >= TRACHEAL_BRONCHUS_MM:
                _give(shape, lobe, kid, "RUL")
                name[kid] = "tracheal bronchus"
