"""What the engine does next, and what is let go."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.types import InferenceRequest, RequestKind
from pipeline.engines.batch_queue import BatchQueue, Shed, Waiting, default_deadline_ms
from tests.engines.helpers import request

FINAL, EARLY, PARTIAL = RequestKind.FINAL, RequestKind.EARLY_FINAL, RequestKind.PARTIAL
HALF_SECOND, SECOND = 8_000, 16_000


def names(batch: list[Waiting]) -> list[str]:
    return [waiting.request.session_id for waiting in batch]


def queue(*added: tuple[InferenceRequest, int], limit: int = 100, samples: int = HALF_SECOND) -> BatchQueue:
    """A queue with requests of one length, each with its deadline."""
    made = BatchQueue(limit)
    for one, deadline_ms in added:
        made.add(one, samples, deadline_ms, now_ms=0)
    return made


def test_finals_go_before_early_finals_before_partials_whatever_their_deadlines() -> None:
    waiting = queue(
        (request(PARTIAL, session="partial"), 1), (request(EARLY, session="early"), 2), (request(session="final"), 3)
    )
    assert names(waiting.next_batch(8)) == ["final", "early", "partial"]


def test_within_a_kind_the_earliest_deadline_goes_first() -> None:
    waiting = queue((request(session="later"), 20), (request(session="sooner"), 10))
    assert names(waiting.next_batch(1)) == ["sooner"]


def test_equal_deadlines_go_in_the_order_they_came() -> None:
    waiting = queue(*((request(session=name), 10) for name in "abc"))
    assert names(waiting.next_batch(8)) == ["a", "b", "c"]


def test_a_batch_holds_one_canonical_length_that_of_the_most_urgent() -> None:
    waiting = queue((request(session="short"), 10))
    waiting.add(request(session="long"), SECOND, 5, now_ms=0)
    waiting.add(request(PARTIAL, session="long too"), SECOND, 99, now_ms=0)
    assert [names(waiting.next_batch(8)), names(waiting.next_batch(8))] == [["long", "long too"], ["short"]]


def test_a_batch_is_no_larger_than_allowed_and_the_rest_stays() -> None:
    waiting = queue(*((request(session=str(number)), number) for number in range(5)))
    assert (names(waiting.next_batch(3)), len(waiting)) == (["0", "1", "2"], 2)


def test_an_empty_queue_gives_an_empty_batch() -> None:
    assert queue().next_batch(8) == []


def test_a_newer_partial_replaces_the_older_one_of_its_segment() -> None:
    waiting = queue((request(PARTIAL, revision=0), 10))
    gone = waiting.add(request(PARTIAL, revision=1), HALF_SECOND, 20, now_ms=5)
    assert [one.request.revision for one in gone] == [0]
    assert (len(waiting), waiting.shed[Shed.REPLACED]) == (1, 1)


def test_a_final_replaces_the_partials_of_its_segment() -> None:
    waiting = queue((request(PARTIAL, revision=0), 10))
    assert len(waiting.add(request(FINAL, revision=1), HALF_SECOND, 20, now_ms=5)) == 1


def test_partials_of_other_sessions_channels_and_segments_are_left_alone() -> None:
    waiting = queue(
        (request(PARTIAL, session="other"), 10), (request(PARTIAL, channel=1), 10), (request(PARTIAL, segment=1), 10)
    )
    assert waiting.add(request(PARTIAL, revision=9), HALF_SECOND, 20, now_ms=5) == []


def test_only_partials_expire_and_not_before_their_deadline_has_passed() -> None:
    waiting = queue((request(PARTIAL, session="partial"), 10), (request(session="final"), 10), (request(EARLY), 10))
    assert (waiting.expired(10), names(waiting.expired(11)), len(waiting)) == ([], ["partial"], 2)


def test_a_full_queue_lets_its_least_urgent_partial_go() -> None:
    waiting = queue((request(PARTIAL, session="soon"), 10), (request(PARTIAL, session="late"), 99), limit=2)
    gone = waiting.add(request(session="final"), HALF_SECOND, 50, now_ms=0)
    assert (names(gone), waiting.shed[Shed.CROWDED]) == (["late"], 1)


def test_a_partial_that_finds_only_finals_in_a_full_queue_is_the_one_to_go() -> None:
    waiting = queue((request(session="final"), 10), limit=1)
    assert names(waiting.add(request(PARTIAL, session="partial"), HALF_SECOND, 1, now_ms=0)) == ["partial"]


def test_a_final_has_to_wait_only_where_the_queue_is_full_of_finals() -> None:
    assert not queue((request(), 10), limit=1).has_room_for(request(session="other"))
    assert queue((request(PARTIAL), 10), limit=1).has_room_for(request(session="other"))


def test_deadlines_follow_the_request_by_its_kind() -> None:
    deadlines = [default_deadline_ms(request(kind, at_ms=5_000)) for kind in (FINAL, EARLY, PARTIAL)]
    assert deadlines == [5_300, 5_300, 6_000]


@given(
    st.lists(
        st.tuples(st.sampled_from(RequestKind), st.integers(0, 3), st.integers(0, 2), st.integers(0, 50)), max_size=30
    ),
    st.integers(1, 8),
)
def test_every_request_leaves_once_and_only_partials_are_shed(
    arrivals: list[tuple[RequestKind, int, int, int]], size: int
) -> None:
    waiting, left, gone = BatchQueue(limit=100), list[Waiting](), list[Waiting]()
    for revision, (kind, session, length, deadline_ms) in enumerate(arrivals):
        new = request(kind, session=str(session), revision=revision)
        gone += waiting.add(new, (length + 1) * HALF_SECOND, deadline_ms, now_ms=0)
    gone += waiting.expired(25)
    while batch := waiting.next_batch(size):
        assert len(batch) <= size
        assert len({one.samples for one in batch}) == 1
        left += batch
    assert sorted(one.order for one in left + gone) == list(range(1, len(arrivals) + 1))
    assert all(one.is_partial for one in gone)
