"""Which calls take too long."""

from pipeline.engines.batch_queue import Waiting
from pipeline.engines.calls import Call, Calls
from pipeline.testing import ScriptedRecognizer
from tests.engines.helpers import request

SECOND = 16_000


def begun(calls: Calls, at_ms: int = 0, samples: int = 0) -> Call:
    return calls.begin([Waiting(request(), samples, 0, 0, 0)], ScriptedRecognizer(), at_ms)


def looked(calls: Calls, from_ms: int, until_ms: int) -> list[tuple[int, Call]]:
    """What is found overdue, and when, by somebody who looks every 100 ms."""
    return [(at_ms, call) for at_ms in range(from_ms, until_ms + 1, 100) for call in calls.overdue(at_ms)]


def test_a_call_is_abandoned_once_when_its_time_is_over() -> None:
    calls = Calls(timeout_ms=1_000)
    call = begun(calls)
    assert looked(calls, 0, 5_000) == [(1_100, call)]
    assert calls.abandoned == 1


def test_each_second_of_audio_gives_a_call_half_a_second_more() -> None:
    calls = Calls(timeout_ms=1_000)
    begun(calls, samples=4 * SECOND)
    assert [at_ms for at_ms, _ in looked(calls, 0, 5_000)] == [3_100]


def test_a_call_that_comes_back_in_time_is_wanted() -> None:
    calls = Calls(timeout_ms=1_000)
    call = begun(calls)
    assert (looked(calls, 0, 1_000), calls.end(call), looked(calls, 1_100, 5_000)) == ([], True, [])


def test_an_abandoned_call_that_comes_back_is_not_wanted_and_no_longer_counted() -> None:
    calls = Calls(timeout_ms=1_000)
    call = begun(calls)
    looked(calls, 0, 2_000)
    assert (calls.end(call), calls.abandoned) == (False, 0)


def test_a_time_in_which_the_process_stood_still_does_not_count() -> None:
    calls = Calls(timeout_ms=1_000)
    begun(calls)
    assert looked(calls, 0, 500) == []
    assert [at_ms for at_ms, _ in looked(calls, 60_500, 70_000)] == [61_100]


def test_a_time_in_which_there_was_nothing_to_look_for_does_not_count_either() -> None:
    calls = Calls(timeout_ms=1_000)
    looked(calls, 0, 100)
    begun(calls, at_ms=60_000)
    assert [at_ms for at_ms, _ in looked(calls, 60_100, 70_000)] == [61_200]
