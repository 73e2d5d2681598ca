"""Review: replay is exact, undo is a tree, and nothing that a reader said is lost."""

import multiprocessing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.errors import CaseConflict, ReviewDependence, ReviewError
from clearlung.nodules.review import (
    Record,
    Review,
    Undo,
    accept,
    add,
    append_entries,
    apply_review,
    carry_over,
    locked,
    merge,
    parse_record,
    read_record,
    redraw,
    reject,
    relabel,
    split,
)

from .review_cases import ball, bits, chest, detection, table_of_labels

# 1 and 2 touch; 3 and 4 lie in the other lung.
BALLS = [(-30, 0, 0, 10), (-21, 0, 0, 8), (30, 5, 0, 8), (30, -15, 0, 7)]
SCAN, ANATOMY = chest()


@pytest.fixture
def review():
    return Review(detection(BALLS))


def draw(review, function, *arguments, **named):
    return review.done(
        function(review.state, SCAN, ANATOMY, *arguments, **named, drawn_by=review.next_id), "AB"
    )


def text_of(record):
    return "".join(entry.line() + "\n" for entry in record.entries).encode()


def numbers(review):
    return review.state.nodules.id.tolist()


def test_nothing_done_is_as_found(review):
    assert bits(review.state.nodules) == bits(review.found)
    assert len(review.state.rejected) == 0


def test_accept_and_reject(review):
    done = review.done(accept(review.state, [1, 3]), "AB", "clear")
    done = done.done(reject(done.state, [2]), "AB", "a vessel")
    assert numbers(done) == [1, 3, 4]
    assert done.state.nodules.review.tolist() == ["accepted", "accepted", ""]
    assert done.state.rejected.id.tolist() == [2]
    assert not (done.state.nodules.labels.array == 2).any()
    back = done.done(accept(done.state, [2]), "CD")
    assert numbers(back) == [1, 2, 3, 4]


def test_relabel_moves_the_side_with_the_lobe(review):
    done = review.done(relabel(review.state, 3, lobe="LLL", texture="solid"), "AB")
    row = done.state.nodules.take(np.array([2]))
    assert (row.lobe[0], row.side[0], row.lobe_confidence[0], row.texture[0]) == ("LLL", "left", 1.0, "solid")
    assert row.review[0] == "edited"


def test_add_outlines_what_is_there(review):
    found = Review(detection(BALLS[:3]))
    done = draw(found, add, (30.0, -15.0, 0.0), diameter_mm=7)
    assert numbers(done) == [1, 2, 3, 4]
    mask = done.state.nodules.labels.array == 4
    truth = ball((30, -15, 0), 7)
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.7
    assert done.state.nodules.review.tolist() == ["", "", "", "added"]


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ((0.0, 0.0, 0.0), "outside the lungs"),
        ((900.0, 0, 0), "outside the lungs"),
        ((-30.0, 0.0, 0.0), "nodule 1"),
    ],
)
def test_add_refuses_what_is_no_place_for_a_nodule(review, point, words):
    with pytest.raises(ReviewError, match=words):
        draw(review, add, point)


def test_add_on_a_rejected_nodule_names_it(review):
    done = review.done(reject(review.state, [3]), "AB")
    with pytest.raises(ReviewError, match="accept 3"):
        draw(done, add, (30.0, 5.0, 0.0))


def test_a_number_is_never_given_twice(review):
    done = draw(Review(detection(BALLS[:3])), add, (30.0, -15.0, 0.0), diameter_mm=7)
    again = draw(done.undone(who="AB"), add, (30.0, -15.0, 0.0), diameter_mm=7)
    assert numbers(again) == [1, 2, 3, 5]


def test_merge_keeps_the_lowest_number_and_all_voxels(review):
    done = draw(review, merge, [2, 1])
    assert numbers(done) == [1, 3, 4]
    labels = done.state.nodules.labels.array
    assert (labels[review.found.labels.array == 2] == 1).all()
    assert (labels[review.found.labels.array == 1] == 1).all()
    assert done.state.nodules.review[0] == "edited"


def test_merge_refuses_what_cannot_be_one(review):
    with pytest.raises(ReviewError, match="different lungs"):
        draw(review, merge, [1, 3])
    with pytest.raises(ReviewError, match="named twice"):
        draw(review, merge, [1, 1])
    with pytest.raises(ReviewError, match="apart"):
        draw(review, merge, [3, 4])


@pytest.mark.parametrize("points", [(), ((-30.0, 0.0, 0.0), (-21.0, 0.0, 0.0))])
def test_split_gives_back_what_was_merged(points):
    """Two touching balls in one mask come apart where they touch, by their neck or by points."""
    labels = np.where(ball(BALLS[0][:3], 10) | ball(BALLS[1][:3], 8), 1, 0)
    done = draw(Review(table_of_labels(labels)), split, 1, points)
    assert numbers(done) == [1, 2]
    parts = done.state.nodules.labels.array
    assert ((parts > 0) == (labels > 0)).all()
    for number, (*center, diameter) in enumerate(BALLS[:2], start=1):
        truth = ball(center, diameter)
        assert 2 * ((parts == number) & truth).sum() / ((parts == number).sum() + truth.sum()) > 0.95


def test_split_refuses(review):
    with pytest.raises(ReviewError, match="no neck"):
        draw(review, split, 3)
    with pytest.raises(ReviewError, match="does not hold"):
        draw(review, split, 3, [(30.0, 5.0, 0.0), (50.0, 5.0, 0.0)])
    with pytest.raises(ReviewError, match="same voxel"):
        draw(review, split, 3, [(30.0, 5.0, 0.0), (30.0, 5.0, 0.0)])


def test_redraw_as_a_ball_and_from_a_map(review):
    done = draw(review, redraw, 3, point_mm=(30.0, 5.0, 0.0), diameter_mm=12)
    assert (done.state.nodules.labels.array == 3).sum() == ball((30, 5, 0), 12).sum()
    drawn = SCAN.volume.with_array(ball((31, 5, 0), 9).astype(np.uint8))
    done = draw(done, redraw, 3, mask=drawn)
    assert ((done.state.nodules.labels.array == 3) == ball((31, 5, 0), 9)).all()
    with pytest.raises(ReviewError, match="nodule 1's"):
        draw(review, redraw, 3, point_mm=(-30.0, 0.0, 0.0), diameter_mm=6)
    with pytest.raises(ReviewError, match="empty"):
        draw(review, redraw, 3, mask=SCAN.volume.with_array(np.zeros(SCAN.volume.shape, np.uint8)))
    with pytest.raises(ReviewError, match="grid"):
        draw(review, redraw, 3, mask=drawn.crop((slice(1, None), slice(None), slice(None))))


def test_errors_name_what_is_wrong(review):
    with pytest.raises(ReviewError, match="numbers run from 1 to 4"):
        accept(review.state, [9])
    with pytest.raises(ReviewError, match="who"):
        review.done(accept(review.state, [1]), "  ")
    with pytest.raises(ReviewError, match="there is none"):
        review.undone(3, who="AB")
    with pytest.raises(ReviewError, match="nothing to take back"):
        review.undone(who="AB")
    with pytest.raises(ReviewError, match="lobe"):
        relabel(review.state, 1, lobe="XXX")
    done = review.done(reject(review.state, [1]), "AB")
    with pytest.raises(ReviewError, match="rejected already"):
        reject(done.state, [1])
    with pytest.raises(ReviewError, match="accept it first"):
        relabel(done.state, 1, lobe="RLL")


def test_undo_names_what_rests_on_the_action(review):
    done = draw(review, merge, [1, 2])
    done = done.done(relabel(done.state, 1, lobe="RLL"), "AB")
    with pytest.raises(ReviewDependence, match=r"2 \(relabel") as error:
        done.undone(1, who="AB")
    assert error.value.dependents == (2,)
    apart = done.undone(2, who="AB").undone(1, who="AB")
    assert bits(apart.state.nodules) == bits(review.found)


def test_a_rejection_is_not_undone_below_a_nodule_added_there(review):
    done = review.done(reject(review.state, [3]), "AB")
    done = draw(done, redraw, 4, point_mm=(30.0, 0.0, 0.0), diameter_mm=10)
    with pytest.raises(ReviewDependence, match="lies on nodule 3"):
        done.undone(1, who="AB")


def test_redo_does_again(review):
    merged = draw(review, merge, [1, 2])
    undone = merged.undone(who="AB")
    with pytest.raises(ReviewError, match="by action 2"):
        undone.undone(1, who="AB")
    assert bits(undone.undone(2, who="AB").state.nodules) == bits(merged.state.nodules)
    other = undone.done(reject(undone.state, [2]), "AB")
    with pytest.raises(ReviewDependence, match=r"3 \(reject"):
        other.undone(2, who="AB")


STEPS = st.lists(
    st.tuples(st.sampled_from("ARLMSDBU"), st.integers(1, 6), st.integers(1, 8)), min_size=1, max_size=7
)


def step(review, kind, number, other):
    """Do one thing, whatever it is, or leave it where it is refused."""
    functions = {
        "A": lambda: review.done(accept(review.state, [number]), "AB"),
        "R": lambda: review.done(reject(review.state, [number]), "AB"),
        "L": lambda: review.done(relabel(review.state, number, texture="solid"), "AB"),
        "M": lambda: draw(review, merge, [number, other]),
        "S": lambda: draw(review, split, number),
        "D": lambda: draw(review, redraw, number, point_mm=(30.0, 5.0 - other, 0.0), diameter_mm=4 + other),
        "B": lambda: draw(review, add, (30.0, 15.0 - 4 * other, 3.0), diameter_mm=5),
        "U": lambda: review.undone(other, who="AB"),
    }
    try:
        return functions[kind]()
    except ReviewError:
        return review


@settings(max_examples=25)
@given(STEPS)
def test_whatever_is_done_replays_and_comes_back(steps):
    review = Review(detection(BALLS))
    for kind, number, other in steps:
        review = step(review, kind, number, other)
    record = parse_record(text_of(review.record))
    assert record == review.record
    replayed = apply_review(review.found, record)
    assert not replayed.broken
    assert bits(replayed.nodules) == bits(review.state.nodules)
    for _ in range(2 * len(steps) + 1):
        try:
            review = review.undone(who="AB")
        except ReviewError:
            break
    assert bits(review.state.nodules) == bits(review.found)


@settings(max_examples=20)
@given(st.permutations(range(4)))
def test_actions_on_different_nodules_may_come_in_any_order(order):
    def run(places):
        review = Review(detection(BALLS))
        for place in places:
            if place == 0:
                review = review.done(accept(review.state, [1]), "AB")
            elif place == 1:
                review = review.done(reject(review.state, [2]), "AB")
            elif place == 2:
                review = draw(review, redraw, 3, point_mm=(30.0, 6.0, 0.0), diameter_mm=7)
            else:
                review = review.done(relabel(review.state, 4, lobe="LLL"), "AB")
        return review.state

    assert bits(run(order).nodules) == bits(run(range(4)).nodules)


def test_a_rejected_nodule_stays_rejected_when_detection_runs_again(review):
    """Centers jitter, sizes change, one finding comes in two pieces, one is missed, one is new."""
    done = review.done(reject(review.state, [2, 3]), "AB")
    done = done.done(accept(done.state, [4]), "AB")
    fresh = detection([(-29, 1, 0, 9), (-20.5, 0.5, 0, 7), (29, 4, 0, 5), (32.5, 6, 0, 3), (-30, 18, 9, 6)])
    carried = carry_over(done.state, fresh)
    state = apply_review(carried.found, done.record)
    assert not state.broken
    assert state.nodules.id.tolist() == [1, 4, 5]
    assert state.rejected.id.tolist() == [2, 3]
    assert carried.new == (5,)
    assert carried.lost == ()
    assert ((state.nodules.labels.array == 4) == (review.found.labels.array == 4)).all()


@settings(max_examples=25)
@given(st.tuples(*[st.floats(-1.5, 1.5)] * 3), st.floats(0.8, 1.25))
def test_numbers_survive_a_jitter(shift, scale):
    review = Review(detection(BALLS))
    done = review.done(reject(review.state, [3]), "AB")
    moved = [(*np.add(c[:3], shift), c[3] * scale) for c in BALLS]
    carried = carry_over(done.state, detection(moved))
    state = apply_review(carried.found, done.record)
    assert state.nodules.id.tolist() == [1, 2, 4]
    assert state.rejected.id.tolist() == [3]


def test_the_same_detection_again_changes_nothing(review):
    done = draw(review, merge, [1, 2]).done(reject(review.state, [4]), "AB")
    carried = carry_over(done.state, review.found)
    assert bits(apply_review(carried.found, done.record).nodules) == bits(done.state.nodules)


def test_a_finding_over_an_accepted_and_a_rejected_one_is_a_conflict(review):
    done = review.done(accept(review.state, [1]), "AB")
    done = done.done(reject(done.state, [2]), "AB")
    carried = carry_over(done.state, detection([(-26, 0, 0, 22), *BALLS[2:]]))
    (conflict,) = carried.conflicts
    assert (conflict.kept, conflict.rejected) == ((1,), (2,))
    state = apply_review(carried.found, done.record)
    assert conflict.number in state.nodules.id
    assert ((state.nodules.labels.array == 1) == (review.found.labels.array == 1)).all()
    assert str(conflict.number) in conflict.sentence


def test_what_is_lost_is_said_and_its_number_not_reused(review):
    carried = carry_over(review.state, detection([*BALLS[:3], (-40, 18, 9, 6)]))
    assert carried.lost == (4,)
    assert carried.new == (5,)


def test_a_torn_line_is_told_and_set_aside(tmp_path, review):
    path = tmp_path / "review.jsonl"
    path.touch()
    first = review.done(accept(review.state, [1]), "AB")
    append_entries(path, review.record, first.record.entries)
    whole = path.read_bytes()
    second = first.done(reject(first.state, [2]), "AB")
    for cut in (1, 40, len(second.record.entries[1].line())):
        path.write_bytes(whole + second.record.entries[1].line().encode()[:cut])
        record = read_record(path)
        assert len(record) == 1
        assert record.torn
    append_entries(path, record, second.record.entries[1:])
    assert len(read_record(path)) == 2
    assert read_record(path).torn == ""
    assert (tmp_path / "review.torn").read_text().startswith('{"id":2')


@pytest.mark.parametrize("line", [0, 1])
def test_a_changed_or_dropped_line_is_refused(review, line):
    done = review.done(accept(review.state, [1]), "AB").done(accept(review.state, [2]), "AB")
    done = done.done(accept(review.state, [3]), "AB")
    lines = text_of(done.record).splitlines(keepends=True)
    with pytest.raises(CaseConflict, match="does not follow"):
        parse_record(b"".join(lines[:line] + lines[line + 1 :]))
    with pytest.raises(CaseConflict):
        parse_record(b"".join(lines).replace(b'"AB"', b'"XY"', 1))
    with pytest.raises(CaseConflict, match="damaged"):
        parse_record(b"{}\n")


def _append(path, times):
    review = Review(detection(BALLS))
    for _ in range(times):
        with locked(path.parent):
            record = read_record(path)
            here = Review(review.found, record)
            after = here.done(accept(here.state, [1]), "AB")
            append_entries(path, record, after.record.entries[len(record) :])


def test_two_processes_lose_nothing(tmp_path):
    path = tmp_path / "review.jsonl"
    path.touch()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append, args=(path, 8)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert [entry.id for entry in read_record(path).entries] == list(range(1, 17))


def test_entries_can_enter_the_ledger(review):
    done = review.done(accept(review.state, [1]), "AB", "seen").done(Undo(action=1), "AB")
    event = done.record.entries[1].event()
    assert event["kind"] == "undo"
    assert event["action"] == 1
    assert done.record.entries[0].event()["nodules"] == [1]
    assert Record().with_action(Undo(action=1), "AB").entries[0].previous == "0" * 64
