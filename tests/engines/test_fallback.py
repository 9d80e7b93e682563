"""Where there is a fallback: it answers for an engine that fails, says so, and gives way when that one heals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.types import Hypothesis, InferenceRequest, InferenceResult, Pcm, RequestKind
from pipeline.engines.base import EngineSettings
from pipeline.engines.batcher import MicroBatcher
from pipeline.engines.calls import MOST_ABANDONED, Call, Role
from pipeline.engines.completed import Completed
from pipeline.engines.ledger import Ledger
from pipeline.engines.results import samples_of
from pipeline.engines.retries import Tries
from pipeline.errors import EngineError
from pipeline.testing import ManualClock, ScriptedRecognizer, spell
from tests.engines.helpers import request

FINAL, PARTIAL = RequestKind.FINAL, RequestKind.PARTIAL
ENGINE, FALLBACK = ScriptedRecognizer(name="engine"), ScriptedRecognizer(name="fallback")
SETTINGS = EngineSettings(attempts=3, call_timeout_ms=1_000, batch_size=4, queue_limit=8, breaker_pause_ms=1_000)
PAUSE_MS = SETTINGS.breaker_pause_ms
PATIENCE_S = 10.0

Outcome = Callable[[Call], list[Hypothesis] | Exception | None]


def fine(call: Call) -> list[Hypothesis]:
    return [spell(samples_of(one.request)) for one in call.batch]


def broken(call: Call) -> Exception:
    return EngineError(f"{call.engine.name} is broken")


def engine_broken(call: Call) -> list[Hypothesis] | Exception:
    return fine(call) if call.engine is FALLBACK else broken(call)


def made(settings: EngineSettings = SETTINGS) -> Ledger:
    return Ledger(settings, has_fallback=True)


def submit(ledger: Ledger, *requests: InferenceRequest, now_ms: int = 0) -> None:
    for one in requests:
        ledger.submit(one, ENGINE, now_ms)


def run(ledger: Ledger, outcome: Outcome, now_ms: int) -> Call | None:
    call = ledger.next_call(ENGINE, now_ms, FALLBACK)
    answer = None if call is None else outcome(call)
    if call is not None and answer is not None:
        assert ledger.settle(call, answer, now_ms)
    return call


def run_all(ledger: Ledger, outcome: Outcome, now_ms: int) -> list[Call]:
    """Every call that is ready."""
    calls = []
    while (call := run(ledger, outcome, now_ms)) is not None:
        calls.append(call)
    return calls


def opened() -> Ledger:
    """A ledger whose breaker is open from 0 on, with nothing under way; two calls hung for that."""
    ledger = made()
    submit(ledger, request(session="a", audio_ms=300), request(session="b", audio_ms=900))
    for _ in range(2):
        assert run(ledger, lambda call: None, now_ms=0) is not None
    for at_ms in range(0, 2_001, 100):
        ledger.abandon_overdue(at_ms)
    run_all(ledger, fine, 2_000)
    assert ledger.counters().breaker_open == 1
    assert len(ledger.drain(0)) == 2
    return ledger


def result_of(done: Completed) -> InferenceResult:
    assert done.result is not None
    return done.result


def told(ledger: Ledger) -> list[tuple[str, bool, str | None]]:
    """Of each completed request: the model, whether the answer is degraded, and its error."""
    results = [result_of(done) for done in ledger.drain(0)]
    return [(one.model, one.degraded, one.error) for one in results]


def test_while_the_engine_is_well_the_fallback_is_never_asked() -> None:
    ledger = made()
    submit(ledger, *(request(session=str(number)) for number in range(8)))
    assert {call.role for call in run_all(ledger, fine, 0)} == {Role.ORDINARY}
    assert set(told(ledger)) == {("engine", False, None)}


def test_a_final_that_the_engine_has_failed_too_often_goes_to_the_fallback() -> None:
    ledger = made()
    submit(ledger, request())
    for now_ms in (0, 20, 60, 140):
        run(ledger, engine_broken, now_ms)
    assert told(ledger) == [("fallback", True, None)]
    assert (ledger.counters().breaker_open, ledger.counters().fallback_answers) == (0, 1)


def test_a_final_whose_every_engine_failed_says_so() -> None:
    ledger = made()
    submit(ledger, request())
    for now_ms in (0, 20, 60, 140, 300):
        run(ledger, broken, now_ms)
    assert told(ledger) == [("fallback", True, "EngineError: fallback is broken")]
    assert ledger.unfinished == 0


def test_an_open_breaker_sends_finals_to_the_fallback_one_by_one() -> None:
    ledger = opened()
    submit(ledger, request(session="c"), request(session="d"), now_ms=2_000)
    calls = run_all(ledger, fine, 2_000)
    assert [(call.role, len(call.batch)) for call in calls] == [(Role.FALLBACK, 1)] * 2
    assert told(ledger) == [("fallback", True, None)] * 2


def test_what_hung_with_the_engine_goes_to_the_fallback_without_waiting_for_another_engine() -> None:
    ledger = made()
    submit(ledger, request(session="a", audio_ms=300), request(session="b", audio_ms=900))
    for _ in range(2):
        run(ledger, lambda call: None, now_ms=0)
    for at_ms in range(0, 2_001, 100):
        ledger.abandon_overdue(at_ms)
    run_all(ledger, fine, 2_000)
    assert told(ledger) == [("fallback", True, None)] * 2


def test_partials_are_shed_while_only_the_fallback_answers() -> None:
    ledger = opened()
    submit(ledger, request(PARTIAL, session="c", at_ms=2_000), now_ms=2_000)
    assert run(ledger, fine, 2_000) is None
    assert [done.result for done in ledger.drain(0)] == [None]
    assert ledger.counters().degraded == 1


def test_the_trial_is_a_partial_where_there_is_one_and_closes_the_breaker() -> None:
    ledger, now_ms = opened(), 2_000 + PAUSE_MS
    submit(ledger, request(session="c"), request(PARTIAL, session="d", at_ms=now_ms), now_ms=now_ms)
    trial = run(ledger, fine, now_ms)
    assert trial is not None
    assert (trial.role, [one.is_partial for one in trial.batch]) == (Role.TRIAL, [True])
    assert ledger.counters().breaker_open == 0
    assert [call.role for call in run_all(ledger, fine, now_ms)] == [Role.ORDINARY]


def test_a_final_whose_trial_fails_has_its_text_from_the_fallback() -> None:
    ledger, now_ms = opened(), 2_000 + PAUSE_MS
    submit(ledger, request(session="c"), now_ms=now_ms)
    trial = run(ledger, engine_broken, now_ms)
    assert trial is not None
    assert trial.role is Role.TRIAL
    run(ledger, engine_broken, now_ms + 20)
    assert told(ledger) == [("fallback", True, None)]


def test_other_finals_go_to_the_fallback_while_the_trial_is_under_way() -> None:
    ledger, now_ms = opened(), 2_000 + PAUSE_MS
    submit(ledger, request(session="c"), request(session="d"), now_ms=now_ms)
    roles = [call.role for call in (run(ledger, lambda call: None, now_ms) for _ in range(2)) if call is not None]
    assert roles == [Role.TRIAL, Role.FALLBACK]


def test_answers_that_come_late_open_the_breaker_though_they_are_used() -> None:
    ledger = made()
    for number in range(5):
        start_ms = number * 1_000
        submit(ledger, request(session=str(number)), now_ms=start_ms)
        call = ledger.next_call(ENGINE, start_ms, FALLBACK)
        assert call is not None
        for at_ms in range(start_ms, start_ms + 801, 100):
            ledger.abandon_overdue(at_ms)
        ledger.settle(call, fine(call), start_ms + 800)
    assert told(ledger) == [("engine", False, None)] * 5
    assert ledger.counters().breaker_open == 1


def test_a_process_that_stood_still_is_no_late_answer() -> None:
    ledger = made()
    for number in range(5):
        start_ms = number * 60_000
        submit(ledger, request(session=str(number)), now_ms=start_ms)
        ledger.abandon_overdue(start_ms)
        call = ledger.next_call(ENGINE, start_ms, FALLBACK)
        assert call is not None
        ledger.abandon_overdue(start_ms + 50_000)
        assert ledger.settle(call, fine(call), start_ms + 50_100)
    assert ledger.counters().breaker_open == 0


def test_no_trial_is_risked_that_might_be_one_hang_too_many() -> None:
    ledger, now_ms = opened(), 2_000
    for number in range(MOST_ABANDONED - 2):
        now_ms += 60_000
        submit(ledger, request(session=f"hangs {number}"), now_ms=now_ms)
        ledger.abandon_overdue(now_ms)
        assert run(ledger, lambda call: None, now_ms) is not None
        for at_ms in range(now_ms, now_ms + 2_000, 100):
            ledger.abandon_overdue(at_ms)
        run_all(ledger, fine, now_ms + 2_000)
    assert ledger.abandoned == MOST_ABANDONED
    submit(ledger, request(session="next"), now_ms=now_ms + 200_000)
    assert [call.role for call in run_all(ledger, fine, now_ms + 200_000)] == [Role.FALLBACK]


def test_failures_of_the_fallback_in_an_earlier_life_count() -> None:
    ledger = made()
    ledger.submit(request(), ENGINE, 0, tries=Tries(failed=3, fallback=1))
    run(ledger, broken, 0)
    assert told(ledger) == [("fallback", True, "EngineError: fallback is broken")]


@given(
    st.lists(st.tuples(st.sampled_from(RequestKind), st.integers(0, 3)), min_size=1, max_size=20),
    st.lists(st.sampled_from([fine, fine, broken, engine_broken]), max_size=80),
)
def test_each_request_is_completed_once_and_every_text_names_its_engine_truly(
    arrivals: list[tuple[RequestKind, int]], outcomes: list[Outcome]
) -> None:
    ledger, script = made(replace(SETTINGS, queue_limit=100)), iter(outcomes)
    came = [request(kind, session=str(who), segment=number) for number, (kind, who) in enumerate(arrivals)]
    submit(ledger, *came)
    done, now_ms = list[Completed](), 0
    while ledger.unfinished:
        run(ledger, next(script, fine), now_ms)
        done += ledger.drain(0)
        now_ms += 50
    assert sorted(one.request.segment for one in done) == list(range(len(came)))
    assert all(one.result is not None for one in done if one.request.kind is not PARTIAL)
    assert all(one.result.degraded == (one.result.model == "fallback") for one in done if one.result is not None)


class Switch:
    """A script that fails until it is healed."""

    def __init__(self) -> None:
        self.healthy = False

    def __call__(self, audio: Pcm) -> Hypothesis:
        if not self.healthy:
            raise EngineError("the engine is down")
        return spell(audio)


@contextmanager
def switched() -> Iterator[tuple[MicroBatcher, ManualClock, Switch]]:
    """A batcher whose engine is down, with a fallback."""
    switch, clock = Switch(), ManualClock()
    settings = EngineSettings(workers=1, attempts=3, breaker_pause_ms=PAUSE_MS)
    engine = ScriptedRecognizer(switch, name="engine")
    with MicroBatcher(lambda: engine, settings, clock, lambda: ScriptedRecognizer(name="fallback")) as batcher:
        yield batcher, clock, switch


def answer(batcher: MicroBatcher, clock: ManualClock, asked: InferenceRequest) -> InferenceResult:
    """Submits a final, and lets time pass in steps until it is answered."""
    batcher.submit(asked)
    for _ in range(1_000):
        for done in batcher.wait(0.01):
            return result_of(done)
        clock.advance(20)
    raise AssertionError("no answer")


def test_an_engine_that_goes_down_and_heals_costs_no_final_and_degrades_only_those_in_between() -> None:
    with switched() as (batcher, clock, switch):
        down = [answer(batcher, clock, request(session=str(number))) for number in range(4)]
        assert batcher.counters().breaker_open == 1
        switch.healthy = True
        clock.advance(PAUSE_MS)
        healed = [answer(batcher, clock, request(session=str(number))) for number in range(4, 8)]
        counters = batcher.counters()
    assert [(one.model, one.degraded, one.error) for one in down] == [("fallback", True, None)] * 4
    assert [(one.model, one.degraded, one.error) for one in healed] == [("engine", False, None)] * 4
    assert (counters.breaker_opened, counters.breaker_open, counters.fallback_answers) == (1, 0, 4)


def test_a_fallback_that_hangs_is_replaced_by_another_one() -> None:
    names = iter(("first", "second"))
    clock, switch = ManualClock(), Switch()
    settings = EngineSettings(workers=1, attempts=1, call_timeout_ms=1_000, breaker_pause_ms=60_000)
    engine = ScriptedRecognizer(switch, name="engine")
    go_on = Event()

    def load() -> ScriptedRecognizer:
        name = next(names)
        hangs = name == "first"

        def script(audio: Pcm) -> Hypothesis:
            assert not hangs or go_on.wait(PATIENCE_S)
            return spell(audio)

        return ScriptedRecognizer(script, name=name)

    with MicroBatcher(lambda: engine, settings, clock, load) as batcher:
        assert answer(batcher, clock, request()).model == "second"
        assert batcher.counters().engines_replaced == 1
        go_on.set()
