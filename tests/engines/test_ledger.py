"""The life of a request: whatever the engine does, it is completed once, and a final never without a result."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.types import Hypothesis, InferenceRequest, RequestKind
from pipeline.engines.base import EngineSettings
from pipeline.engines.calls import Call
from pipeline.engines.completed import Completed
from pipeline.engines.ledger import Ledger
from pipeline.engines.results import samples_of
from pipeline.engines.retries import Tries
from pipeline.errors import EngineError
from pipeline.testing import ScriptedRecognizer, spell
from tests.engines.helpers import request

FINAL, EARLY, PARTIAL = RequestKind.FINAL, RequestKind.EARLY_FINAL, RequestKind.PARTIAL
ENGINE = ScriptedRecognizer()
SETTINGS = EngineSettings(attempts=3, call_timeout_ms=1_000, batch_size=4, queue_limit=6)
TIMEOUT_MS = 1_500
"""Longer than a call of a few short stretches may take."""

Outcome = Callable[[Call], list[Hypothesis] | Exception | None]
"""What becomes of a call; None where it hangs."""


def fine(call: Call) -> list[Hypothesis]:
    return [spell(samples_of(one.request)) for one in call.batch]


def broken(call: Call) -> Exception:
    return EngineError(f"broken for {len(call.batch)}")


def hung(call: Call) -> None:
    return None


def ledger(*requests: InferenceRequest, settings: EngineSettings = SETTINGS) -> Ledger:
    made = Ledger(settings)
    for one in requests:
        made.submit(one, ENGINE, now_ms=0)
    return made


def run(ledger: Ledger, outcome: Outcome, now_ms: int) -> Call | None:
    """Lets the engine take one batch, if one is ready."""
    call = ledger.next_call(ENGINE, now_ms)
    answer = None if call is None else outcome(call)
    if call is not None and answer is not None:
        assert ledger.settle(call, answer, now_ms)
    return call


def pass_time(ledger: Ledger, from_ms: int, ms: int) -> None:
    """Looks often, as a lane's timer does, and has another engine at once."""
    for at_ms in range(from_ms, from_ms + ms + 1, 100):
        if ledger.abandon_overdue(at_ms):
            ledger.resume(replaced=True)


def errors(done: list[Completed]) -> list[str | None]:
    return [None if one.result is None else one.result.error for one in done]


def sizes(ledger: Ledger, at_ms: int) -> list[int]:
    """How many requests there are in each of the batches that are ready."""
    taken: list[int] = []
    while (call := run(ledger, fine, at_ms)) is not None:
        taken.append(len(call.batch))
    return taken


def test_a_final_that_failed_is_tried_again_after_a_pause_and_has_its_text() -> None:
    waiting = ledger(request())
    run(waiting, broken, now_ms=0)
    assert run(waiting, fine, now_ms=19) is None
    run(waiting, fine, now_ms=20)
    (done,) = waiting.drain(0)
    assert done.result is not None
    assert (done.result.error, done.result.hypothesis) == (None, spell(samples_of(request())))


def test_other_work_goes_on_while_a_request_rests() -> None:
    waiting = ledger(request(session="rests"))
    run(waiting, broken, now_ms=0)
    waiting.submit(request(session="new"), ENGINE, now_ms=1)
    run(waiting, fine, now_ms=1)
    assert [one.request.session_id for one in waiting.drain(0)] == ["new"]


def test_a_final_is_answered_with_its_error_after_the_last_attempt() -> None:
    waiting = ledger(request())
    for now_ms in (0, 20, 60):
        assert waiting.drain(0) == []
        run(waiting, broken, now_ms)
    assert errors(waiting.drain(0)) == ["EngineError: broken for 1"]
    assert (waiting.unfinished, waiting.counters().retried, waiting.counters().failed) == (0, 2, 1)


def test_the_members_of_a_batch_that_failed_are_tried_again_one_by_one() -> None:
    waiting = ledger(request(session="a"), request(session="b"), request(session="c"))
    run(waiting, broken, now_ms=0)
    assert sizes(waiting, at_ms=20) == [1, 1, 1]


def test_a_partial_has_one_attempt() -> None:
    waiting = ledger(request(PARTIAL))
    run(waiting, broken, now_ms=0)
    assert errors(waiting.drain(0)) == ["EngineError: broken for 1"]
    assert waiting.counters().retried == 0


def test_a_final_whose_call_hangs_goes_to_the_engine_once_more() -> None:
    waiting = ledger(request())
    hanging = run(waiting, hung, now_ms=0)
    pass_time(waiting, 0, TIMEOUT_MS)
    assert waiting.counters().hangs == 1
    run(waiting, fine, now_ms=TIMEOUT_MS)
    assert errors(waiting.drain(0)) == [None]
    assert hanging is not None
    assert not waiting.settle(hanging, [Hypothesis("too late")], now_ms=9_000)
    assert (waiting.drain(0), waiting.unfinished) == ([], 0)


def test_what_hung_waits_for_another_engine_while_others_go_on() -> None:
    waiting = ledger(request(session="poison"))
    run(waiting, hung, now_ms=0)
    assert [len(waiting.abandon_overdue(at_ms)) for at_ms in (1_000, 1_300)] == [0, 1]
    waiting.submit(request(session="other"), ENGINE, now_ms=2_000)
    assert (sizes(waiting, at_ms=9_000), waiting.counters().waiting) == ([1], 1)
    waiting.resume(replaced=True)
    assert (sizes(waiting, at_ms=9_000), waiting.counters().engines_replaced) == ([1], 1)


def test_a_final_that_hangs_twice_is_answered_with_an_error() -> None:
    waiting = ledger(request())
    for start_ms in (0, 2_000):
        run(waiting, hung, start_ms)
        pass_time(waiting, start_ms, TIMEOUT_MS)
    assert errors(waiting.drain(0)) == ["EngineError: scripted gave no answer within 1250 ms"]


def test_no_more_partials_are_taken_of_a_segment_that_hung() -> None:
    waiting = ledger(request(PARTIAL))
    run(waiting, hung, now_ms=0)
    pass_time(waiting, 0, TIMEOUT_MS)
    waiting.submit(request(PARTIAL, revision=1), ENGINE, now_ms=2_000)
    waiting.submit(request(FINAL, revision=2), ENGINE, now_ms=2_000)
    run(waiting, fine, now_ms=2_000)
    hanging, shed, final = waiting.drain(0)
    assert errors([hanging]) == ["EngineError: scripted gave no answer within 1250 ms"]
    assert (shed.request.revision, shed.result) == (1, None)
    assert (final.request.revision, errors([final])) == (2, [None])
    assert waiting.counters().distrusted == 1


def test_failures_of_an_earlier_life_count() -> None:
    waiting = Ledger(SETTINGS)
    waiting.submit(request(), ENGINE, now_ms=0, tries=Tries(hung=1))
    run(waiting, hung, now_ms=0)
    pass_time(waiting, 0, TIMEOUT_MS)
    assert errors(waiting.drain(0)) == ["EngineError: scripted gave no answer within 1250 ms"]


def test_what_will_be_tried_again_is_told_once_and_not_after_its_end() -> None:
    waiting = ledger(request(session="again"))
    run(waiting, broken, now_ms=0)
    assert [(one.request.session_id, one.tries) for one in waiting.retried(0)] == [("again", Tries(failed=1))]
    assert waiting.retried(0) == []
    run(waiting, broken, now_ms=20)
    run(waiting, fine, now_ms=60)
    assert waiting.retried(0) == []


def test_each_lane_hears_of_its_own_requests() -> None:
    waiting = Ledger(SETTINGS)
    for lane in (3, 7):
        waiting.submit(request(session=str(lane)), ENGINE, now_ms=0, lane=lane)
    run(waiting, fine, now_ms=0)
    assert [[one.request.session_id for one in waiting.drain(lane)] for lane in (3, 7, 3)] == [["3"], ["7"], []]


def test_requests_that_an_engine_cannot_size_fail_at_once() -> None:
    class Sizeless(ScriptedRecognizer):
        def canonical_samples(self, samples: int) -> int:
            return samples // 2 if samples else samples // 0

    waiting = Ledger(SETTINGS)
    for audio_ms in (400, 0):
        waiting.submit(request(audio_ms=audio_ms), Sizeless(), now_ms=0)
    assert errors(waiting.drain(0)) == [
        "EngineError: scripted gave 3200 as the canonical length of 6400 samples",
        "ZeroDivisionError: integer division or modulo by zero",
    ]


OUTCOMES: list[Outcome] = [fine, fine, broken, hung]
WORKERS = 2


@given(
    st.lists(st.tuples(st.sampled_from(RequestKind), st.integers(0, 3)), min_size=1, max_size=20),
    st.lists(st.sampled_from(OUTCOMES), max_size=60),
    st.integers(1, 5),
)
def test_whatever_the_engine_does_each_request_is_completed_once_and_finals_with_a_result(
    arrivals: list[tuple[RequestKind, int]], outcomes: list[Outcome], attempts: int
) -> None:
    waiting, script, now_ms = Ledger(replace(SETTINGS, attempts=attempts)), iter(outcomes), 0
    came = [request(kind, session=str(who), segment=number) for number, (kind, who) in enumerate(arrivals)]
    to_come, hanging, done = deque(came), list[Call](), list[Completed]()
    while to_come or waiting.unfinished:
        if to_come and waiting.has_room_for(to_come[0]):
            waiting.submit(to_come.popleft(), ENGINE, now_ms)
        if len(hanging) - waiting.counters().hangs < WORKERS:
            outcome = next(script, fine)
            call = run(waiting, outcome, now_ms)
            hanging += [call] if call is not None and outcome is hung else []
        now_ms += 100
        if waiting.abandon_overdue(now_ms):
            waiting.resume(replaced=True)
        done += waiting.drain(0)
        assert waiting.counters().waiting <= SETTINGS.queue_limit + SETTINGS.batch_size * WORKERS
    assert not any(waiting.settle(call, fine(call), now_ms) for call in hanging)
    assert sorted(one.request.segment for one in done) == list(range(len(came)))
    assert all(one.result is not None for one in done if one.request.kind is not PARTIAL)
    texts = {one.request.segment: one.result.hypothesis for one in done if one.result and not one.result.error}
    assert texts == {segment: spell(samples_of(came[segment])) for segment in texts}


def test_partials_never_take_the_last_worker() -> None:
    settings = replace(SETTINGS, workers=2, batch_size=1)
    made = ledger(*(request(PARTIAL, session=name) for name in "ab"), settings=settings)
    assert made.next_call(ENGINE, now_ms=0) is not None
    assert made.next_call(ENGINE, now_ms=0) is None
    made.submit(request(FINAL, session="c"), ENGINE, now_ms=0)
    final = made.next_call(ENGINE, now_ms=0)
    assert final is not None
    assert [one.request.session_id for one in final.batch] == ["c"]


def test_the_next_partial_goes_when_the_one_before_it_is_done() -> None:
    settings = replace(SETTINGS, workers=2, batch_size=1)
    made = ledger(*(request(PARTIAL, session=name) for name in "ab"), settings=settings)
    first = made.next_call(ENGINE, now_ms=0)
    assert first is not None
    made.settle(first, fine(first), now_ms=10)
    second = made.next_call(ENGINE, now_ms=10)
    assert second is not None
    assert [one.request.session_id for one in second.batch] == ["b"]


def test_an_only_worker_takes_partials_too() -> None:
    made = ledger(request(PARTIAL), settings=replace(SETTINGS, workers=1))
    assert made.next_call(ENGINE, now_ms=0) is not None
