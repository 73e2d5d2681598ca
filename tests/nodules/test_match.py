import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clearlung.nodules import match_nodules

points = st.lists(st.tuples(*[st.floats(-20, 20)] * 3), max_size=5).map(
    lambda p: np.reshape(p, (-1, 3)).astype(float)
)


@given(known=points, found=points, diameter=st.floats(1, 20))
def test_no_other_matching_has_more_hits(known, found, diameter):
    sizes = np.full(len(known), diameter)
    match = match_nodules(known, sizes, found)
    radius = max(diameter / 2, 3.0)
    near = [[np.linalg.norm(k - f) <= radius for f in found] for k in known]
    best = 0
    for columns in itertools.permutations(range(len(found) + len(known)), len(known)):
        best = max(best, sum(c < len(found) and near[r][c] for r, c in enumerate(columns)))
    assert match.hits == best
    assert match.false == len(found) - best
    for row, column in enumerate(match.found_of_known):
        if column >= 0:
            assert near[row][column]
            assert match.known_of_found[column] == row
