"""What the engine does next, and what is let go."""

from dataclasses import replace
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.types import InferenceRequest, RequestKind
from pipeline.engines.batch_queue import MOST_DISTRUSTED, BatchQueue, Shed, Waiting, default_deadline_ms
from pipeline.engines.retries import Tries
from tests.engines.helpers import request

FINAL, EARLY, PARTIAL = RequestKind.FINAL, RequestKind.EARLY_FINAL, RequestKind.PARTIAL
HALF_SECOND, SECOND = 8_000, 16_000
FAILED_ONCE = Tries(failed=1)

orders = count()


def waiting_for(one: InferenceRequest, deadline_ms: int = 10, samples: int = HALF_SECOND) -> Waiting:
    """A request as the queue takes it, each with an order of its own."""
    return Waiting(one, samples, deadline_ms, submitted_at_ms=0, order=next(orders))


def names(batch: list[Waiting]) -> list[str]:
    return [waiting.request.session_id for waiting in batch]


def queue(*added: tuple[InferenceRequest, int], limit: int = 100) -> BatchQueue:
    """A queue with requests of one length, each with its deadline."""
    made = BatchQueue(limit)
    for one, deadline_ms in added:
        made.add(waiting_for(one, deadline_ms))
    return made


def test_finals_go_before_early_finals_before_partials_whatever_their_deadlines() -> None:
    waiting = queue(
        (request(PARTIAL, session="partial"), 1), (request(EARLY, session="early"), 2), (request(session="final"), 3)
    )
    assert names(waiting.next_batch(8, now_ms=0)) == ["final", "early", "partial"]


def test_within_a_kind_the_earliest_deadline_goes_first() -> None:
    waiting = queue((request(session="later"), 20), (request(session="sooner"), 10))
    assert names(waiting.next_batch(1, now_ms=0)) == ["sooner"]


def test_equal_deadlines_go_in_the_order_they_came() -> None:
    waiting = queue(*((request(session=name), 10) for name in "abc"))
    assert names(waiting.next_batch(8, now_ms=0)) == ["a", "b", "c"]


def test_a_batch_holds_one_canonical_length_that_of_the_most_urgent() -> None:
    waiting = queue((request(session="short"), 10))
    waiting.add(waiting_for(request(session="long"), 5, SECOND))
    waiting.add(waiting_for(request(PARTIAL, session="long too"), 99, SECOND))
    assert [names(waiting.next_batch(8, now_ms=0)) for _ in range(2)] == [["long", "long too"], ["short"]]


def test_a_batch_is_no_larger_than_allowed_and_the_rest_stays() -> None:
    waiting = queue(*((request(session=str(number)), number) for number in range(5)))
    assert (names(waiting.next_batch(3, now_ms=0)), len(waiting)) == (["0", "1", "2"], 2)


def test_an_empty_queue_gives_an_empty_batch() -> None:
    assert queue().next_batch(8, now_ms=0) == []


def test_a_newer_partial_replaces_the_older_one_of_its_segment() -> None:
    waiting = queue((request(PARTIAL, revision=0), 10))
    gone = waiting.add(waiting_for(request(PARTIAL, revision=1), 20))
    assert [one.request.revision for one in gone] == [0]
    assert (len(waiting), waiting.shed[Shed.REPLACED]) == (1, 1)


def test_a_final_replaces_the_partials_of_its_segment() -> None:
    waiting = queue((request(PARTIAL, revision=0), 10))
    assert len(waiting.add(waiting_for(request(FINAL, revision=1), 20))) == 1


def test_partials_of_other_sessions_channels_and_segments_are_left_alone() -> None:
    waiting = queue(
        (request(PARTIAL, session="other"), 10), (request(PARTIAL, channel=1), 10), (request(PARTIAL, segment=1), 10)
    )
    assert waiting.add(waiting_for(request(PARTIAL, revision=9), 20)) == []


def test_only_partials_expire_and_not_before_their_deadline_has_passed() -> None:
    waiting = queue((request(PARTIAL, session="partial"), 10), (request(session="final"), 10), (request(EARLY), 10))
    assert (waiting.expired(10), names(waiting.expired(11)), len(waiting)) == ([], ["partial"], 2)


def test_a_full_queue_lets_its_least_urgent_partial_go() -> None:
    waiting = queue((request(PARTIAL, session="soon"), 10), (request(PARTIAL, session="late"), 99), limit=2)
    gone = waiting.add(waiting_for(request(session="final"), 50))
    assert (names(gone), waiting.shed[Shed.CROWDED]) == (["late"], 1)


def test_a_partial_that_finds_only_finals_in_a_full_queue_is_the_one_to_go() -> None:
    waiting = queue((request(session="final"), 10), limit=1)
    assert names(waiting.add(waiting_for(request(PARTIAL, session="partial"), 1))) == ["partial"]


def test_a_final_has_to_wait_only_where_the_queue_is_full_of_finals() -> None:
    assert not queue((request(), 10), limit=1).has_room_for(request(session="other"))
    assert queue((request(PARTIAL), 10), limit=1).has_room_for(request(session="other"))


def test_deadlines_follow_the_request_by_its_kind() -> None:
    deadlines = [default_deadline_ms(request(kind, at_ms=5_000)) for kind in (FINAL, EARLY, PARTIAL)]
    assert deadlines == [5_300, 5_300, 6_000]


def test_a_partial_that_comes_after_a_newer_one_goes_at_once() -> None:
    waiting = queue((request(PARTIAL, revision=5), 10))
    assert [one.request.revision for one in waiting.add(waiting_for(request(PARTIAL, revision=4)))] == [4]


def test_what_has_failed_rests_until_it_is_ready_and_others_go_meanwhile() -> None:
    waiting = queue((request(session="other"), 99))
    waiting.add(replace(waiting_for(request(session="failed"), 1), tries=FAILED_ONCE, ready_at_ms=20))
    assert names(waiting.next_batch(8, now_ms=19)) == ["other"]
    assert (waiting.is_ready(19), waiting.is_ready(20)) == (False, True)
    assert names(waiting.next_batch(8, now_ms=20)) == ["failed"]


def test_what_has_failed_goes_alone() -> None:
    waiting = queue((request(session="b"), 20), (request(session="c"), 30))
    waiting.add(replace(waiting_for(request(session="a"), 10), tries=FAILED_ONCE))
    waiting.add(replace(waiting_for(request(session="d"), 25), tries=FAILED_ONCE))
    assert [names(waiting.next_batch(8, now_ms=0)) for _ in range(3)] == [["a"], ["b", "c"], ["d"]]


def test_what_comes_back_to_a_full_queue_displaces_partials_but_never_a_final() -> None:
    waiting = queue((request(session="final"), 10), (request(PARTIAL, session="partial"), 10), limit=2)
    assert names(waiting.add(replace(waiting_for(request(session="back")), tries=FAILED_ONCE))) == ["partial"]
    assert waiting.add(replace(waiting_for(request(session="back too")), tries=FAILED_ONCE)) == []
    assert (len(waiting), waiting.has_room_for(request())) == (3, False)


def test_a_segment_that_is_distrusted_has_no_more_partials_but_still_its_final() -> None:
    waiting = queue((request(PARTIAL), 10), (request(PARTIAL, segment=1), 10))
    voice = waiting_for(request()).voice
    assert [one.voice for one in waiting.distrust(voice)] == [voice]
    assert len(waiting.add(waiting_for(request(PARTIAL, revision=9)))) == 1
    assert waiting.add(waiting_for(request(FINAL))) == []
    assert (len(waiting), waiting.shed[Shed.DISTRUSTED]) == (2, 2)


def test_distrust_is_not_remembered_for_ever() -> None:
    waiting = queue()
    for segment in range(MOST_DISTRUSTED + 1):
        waiting.distrust(("s", 0, segment))
    assert waiting.add(waiting_for(request(PARTIAL, segment=0))) == []
    assert len(waiting.add(waiting_for(request(PARTIAL, segment=1)))) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(RequestKind), st.integers(0, 3), st.integers(0, 2), st.integers(0, 50)), max_size=30
    ),
    st.integers(1, 8),
    st.integers(1, 20),
)
def test_every_request_leaves_once_and_only_partials_are_shed(
    arrivals: list[tuple[RequestKind, int, int, int]], size: int, limit: int
) -> None:
    waiting, came, left, gone = BatchQueue(limit), list[Waiting](), list[Waiting](), list[Waiting]()
    for revision, (kind, session, length, deadline_ms) in enumerate(arrivals):
        came.append(
            waiting_for(request(kind, session=str(session), revision=revision), deadline_ms, (length + 1) * HALF_SECOND)
        )
        gone += waiting.add(came[-1])
    gone += waiting.expired(25)
    while batch := waiting.next_batch(size, now_ms=0):
        assert len(batch) <= size
        assert len({one.samples for one in batch}) == 1
        left += batch
    assert sorted(one.order for one in left + gone) == [one.order for one in came]
    assert all(one.is_partial for one in gone)
    assert sum(waiting.shed.values()) == len(gone)
