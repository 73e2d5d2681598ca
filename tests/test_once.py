"""What is made once in a run of the tests is made once."""

import pytest

from .once import Once


def test_a_second_worker_reads_what_the_first_made(tmp_path):
    made = []

    def make():
        made.append(len(made))
        return {"number": made[-1]}

    first, second = Once(tmp_path), Once(tmp_path)
    assert first("thing", make) == second("thing", make) == first("thing", make) == {"number": 0}
    assert made == [0]
    assert second("other", make) == {"number": 1}


def test_what_fails_leaves_nothing_and_is_tried_again(tmp_path):
    def fail():
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        Once(tmp_path)("thing", fail)
    assert Once(tmp_path)("thing", lambda: 7) == 7


def test_each_worker_has_a_copy_of_its_own(tmp_path):
    first, second = (Once(tmp_path)("thing", lambda: [1, 2]) for _ in range(2))
    first.append(3)
    assert second == [1, 2]
