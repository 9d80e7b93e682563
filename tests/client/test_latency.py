"""What a listener waits for."""

from pipeline.client.latency import final_wait_ms, stage_waits, waits
from pipeline.domain.types import StageTimes
from tests.client.helpers import arrival, final, partial, session_end

START_AT_MS = 1_000_000


def test_a_final_is_waited_for_since_the_end_of_speech() -> None:
    late = arrival(final(end_ms=2_000), START_AT_MS + 2_250)
    assert final_wait_ms(late, START_AT_MS) == 250


def test_only_the_first_partial_of_a_segment_counts() -> None:
    seen = [
        arrival(partial(segment=0, start_ms=100), START_AT_MS + 700),
        arrival(partial(segment=0, start_ms=100, revision=1), START_AT_MS + 1_200),
        arrival(partial(segment=1, start_ms=3_000), START_AT_MS + 3_400),
    ]
    assert waits(seen, {"s": START_AT_MS}).first_partial_ms == (600, 400)


def test_sessions_count_from_their_own_starts_and_ends_count_for_nothing() -> None:
    seen = [
        arrival(final(session_id="a", end_ms=1_000), 1_300),
        arrival(final(session_id="b", end_ms=1_000), 6_500),
        arrival(session_end("b"), 9_000),
    ]
    assert waits(seen, {"a": 0, "b": 5_000}).final_ms == (300, 500)


def test_stages_share_the_wait_and_those_without_a_time_are_left_out() -> None:
    times = StageTimes(captured_at_ms=10, received_at_ms=15, emitted_at_ms=40)
    assert stage_waits(arrival(final(times=times), 50)) == {
        "captured->received": 5,
        "received->emitted": 25,
        "emitted->arrived": 10,
    }


def test_an_end_confirmed_during_the_recognition_takes_no_time_of_its_own() -> None:
    times = StageTimes(started_at_ms=10, recognised_at_ms=60, closed_at_ms=50, emitted_at_ms=61)
    assert stage_waits(arrival(final(times=times), 70)) == {
        "started->recognised": 50,
        "recognised->closed": 0,
        "closed->emitted": 1,
        "emitted->arrived": 9,
    }
