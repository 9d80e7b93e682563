"""The threads around the engine: they share its work, survive its failures and are replaced when they hang."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from time import monotonic

import pytest

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import Hypothesis, InferenceRequest, Pcm, RequestKind
from pipeline.engines.base import EngineSettings
from pipeline.engines.batcher import LOAD_TIMEOUT_MS, MOST_ABANDONED, MicroBatcher
from pipeline.engines.completed import Completed
from pipeline.engines.results import samples_of
from pipeline.errors import EngineError, EngineStuck
from pipeline.local.process import wait_until
from pipeline.testing import (
    Fault,
    FaultyRecognizer,
    ManualClock,
    ScriptedRecognizer,
    babbles,
    drawn,
    failing,
    raises,
    spell,
)
from tests.engines.helpers import request

PATIENCE_S = 10.0
PARTIAL = RequestKind.PARTIAL


HASTY = EngineSettings(workers=1, call_timeout_ms=1_000)
NOBODYS = -1
"""A lane without requests."""


@dataclass
class PassingClock(ManualClock):
    """Time passes with each look at it."""

    step_ms: int = 10

    def __call__(self) -> int:
        self.advance(self.step_ms)
        return super().__call__()


class Busy:
    """A script that holds the engine in its first batch until it is told to go on."""

    def __init__(self, then: Callable[[Pcm], Hypothesis] = spell) -> None:
        self.started, self.may_go_on, self._then = Event(), Event(), then

    def __call__(self, audio: Pcm) -> Hypothesis:
        self.started.set()
        assert self.may_go_on.wait(PATIENCE_S)
        return self._then(audio)


def batcher_of(recognizer: Recognizer, settings: EngineSettings, clock: ManualClock) -> MicroBatcher:
    """A batcher that has this engine only: what is loaded in its place is the same one again."""
    return MicroBatcher(lambda: recognizer, settings, clock)


@contextmanager
def held(
    recognizer: ScriptedRecognizer, settings: EngineSettings | None = None, clock: ManualClock | None = None
) -> Iterator[tuple[MicroBatcher, Busy]]:
    """A batcher whose engine is busy with a first request, "holder", so that others queue up behind it."""
    busy = recognizer.script = Busy(recognizer.script)
    with batcher_of(recognizer, settings or EngineSettings(workers=1), clock or ManualClock()) as batcher:
        batcher.submit(request(session="holder"))
        assert busy.started.wait(PATIENCE_S)
        try:
            yield batcher, busy
        finally:
            busy.may_go_on.set()


def completed(batcher: MicroBatcher, count: int) -> list[Completed]:
    done: list[Completed] = []
    while len(done) < count and (more := batcher.wait(PATIENCE_S)):
        done += more
    return done


def text_of(one: InferenceRequest) -> str:
    return spell(samples_of(one)).text


def test_a_result_carries_the_request_the_text_the_model_and_its_times() -> None:
    clock = ManualClock(1_000)
    with batcher_of(ScriptedRecognizer(), EngineSettings(), clock) as batcher:
        asked = request(session="a", channel=1, segment=2, revision=3, at_ms=900)
        batcher.submit(asked)
        ((answered, result),) = [(one.request, one.result) for one in completed(batcher, 1)]
    assert (answered, result is not None) == (asked, True)
    assert result is not None
    assert (result.session_id, result.channel, result.segment, result.revision) == ("a", 1, 2, 3)
    assert (result.hypothesis.text, result.model, result.error) == (text_of(asked), "scripted", None)
    assert (result.times.requested_at_ms, result.times.started_at_ms, result.times.recognised_at_ms) == (
        900,
        1000,
        1000,
    )


def test_what_queues_up_while_the_engine_is_busy_goes_in_one_batch() -> None:
    engine = ScriptedRecognizer()
    with held(engine) as (batcher, busy):
        for number in range(5):
            batcher.submit(request(session=str(number)))
        busy.may_go_on.set()
        assert len(completed(batcher, 6)) == 6
    assert engine.batches == [1, 5]


def test_a_free_engine_does_not_wait_for_company() -> None:
    engine = ScriptedRecognizer()
    with batcher_of(engine, EngineSettings(), ManualClock()) as batcher:
        for number in range(3):
            batcher.submit(request(session=str(number)))
            completed(batcher, 1)
    assert engine.batches == [1, 1, 1]


def test_shed_partials_are_completed_without_a_result() -> None:
    with held(ScriptedRecognizer()) as (batcher, busy):
        batcher.submit(request(PARTIAL, revision=1))
        batcher.submit(request(PARTIAL, revision=2))
        (shed,) = batcher.drain()
        assert (shed.request.revision, shed.result) == (1, None)
        busy.may_go_on.set()
        assert all(one.result is not None for one in completed(batcher, 2))


def test_a_partial_past_its_deadline_is_dropped_and_counted_a_final_is_not() -> None:
    clock = ManualClock()
    with held(ScriptedRecognizer(), clock=clock) as (batcher, busy):
        batcher.submit(request(PARTIAL, session="partial"))
        batcher.submit(request(session="final"))
        clock.advance(1_001)
        busy.may_go_on.set()
        results = {one.request.session_id: one.result for one in completed(batcher, 3)}
        assert (results["partial"], results["final"] is not None) == (None, True)
        assert batcher.counters().late == 1


def test_a_member_that_breaks_its_batch_fails_alone() -> None:
    def allergic(audio: Pcm) -> Hypothesis:
        return failing(audio) if audio[0] < 0 else spell(audio)

    engine = ScriptedRecognizer(allergic)
    with held(engine, EngineSettings(workers=1, attempts=2), PassingClock()) as (batcher, busy):
        for number, level in enumerate((100, -100, 200)):
            batcher.submit(request(session=str(number), level=level))
        busy.may_go_on.set()
        results = {one.request.session_id: one.result for one in completed(batcher, 4)}
        assert batcher.counters().failed == 1
    errors = {session: result.error for session, result in results.items() if result is not None}
    assert errors == {"holder": None, "0": None, "1": "EngineError: scripted failure on 6400 samples", "2": None}


def test_audio_that_is_too_long_is_answered_with_an_error() -> None:
    with batcher_of(ScriptedRecognizer(max_samples=100), EngineSettings(), ManualClock()) as batcher:
        batcher.submit(request())
        (only,) = batcher.wait(PATIENCE_S)
    assert only.result is not None
    assert only.result.error == "ValueError: 6400 samples are more than the 100 of scripted"


def test_a_broken_engine_does_not_end_the_thread() -> None:
    def broken(audio: Pcm) -> Hypothesis:
        raise ZeroDivisionError("a bug")

    with batcher_of(ScriptedRecognizer(broken), EngineSettings(attempts=1), ManualClock()) as batcher:
        for _ in range(2):
            batcher.submit(request())
            (only,) = completed(batcher, 1)
            assert only.result is not None
            assert only.result.error == "ZeroDivisionError: a bug"


def test_a_final_waits_for_room_instead_of_being_dropped() -> None:
    with held(ScriptedRecognizer(), EngineSettings(workers=1, queue_limit=1)) as (batcher, busy):
        batcher.submit(request(session="first"))
        second = Thread(target=batcher.submit, args=(request(session="second"),), daemon=True)
        second.start()
        second.join(0.05)
        assert second.is_alive()
        busy.may_go_on.set()
        second.join(PATIENCE_S)
        assert {one.request.session_id for one in completed(batcher, 3)} == {"holder", "first", "second"}


def test_draining_never_waits_and_waiting_ends_when_nothing_is_under_way() -> None:
    with batcher_of(ScriptedRecognizer(), EngineSettings(), ManualClock()) as batcher:
        assert (batcher.drain(), batcher.wait(PATIENCE_S)) == ([], [])


def test_a_closed_batcher_takes_nothing_more() -> None:
    batcher = batcher_of(ScriptedRecognizer(), EngineSettings(), ManualClock())
    batcher.close()
    with pytest.raises(EngineError, match="the batcher is closed"):
        batcher.submit(request())


def test_counters_tell_batches_waits_and_padding() -> None:
    clock = ManualClock()
    with held(ScriptedRecognizer(), clock=clock) as (batcher, busy):
        batcher.submit(request(session="a", audio_ms=300))
        batcher.submit(request(session="b", audio_ms=400))
        clock.advance(30)
        busy.may_go_on.set()
        completed(batcher, 3)
        counters = batcher.counters()
    assert (counters.batches, counters.requests, counters.largest_batch, counters.mean_batch) == (2, 3, 2, 1.5)
    assert (counters.queued_ms, counters.busy_ms, counters.waiting) == (60, 30, 0)
    assert (counters.audio_samples, counters.padding_samples) == (1100 * 16, 400 * 16)


def test_a_final_does_not_wait_for_a_batch_at_hand_where_another_worker_is_free() -> None:
    engine = ScriptedRecognizer()
    busy = Busy(engine.script)
    engine.script = lambda audio: busy(audio) if len(audio) == 900 * 16 else spell(audio)
    long, final = request(session="long", audio_ms=900), request(session="short")
    with batcher_of(engine, EngineSettings(workers=2), ManualClock()) as batcher:
        batcher.submit(long)
        assert busy.started.wait(PATIENCE_S)
        batcher.submit(final)
        assert [one.request for one in completed(batcher, 1)] == [final]
        busy.may_go_on.set()


@pytest.mark.parametrize("fault", [raises, babbles])
def test_an_engine_that_fails_on_some_of_its_calls_costs_no_final_its_text(fault: Fault) -> None:
    finals = [request(session=str(number), level=100 + number) for number in range(40)]
    engine = FaultyRecognizer(ScriptedRecognizer(), drawn(percent=30), fault)
    with batcher_of(engine, EngineSettings(batch_size=2), PassingClock()) as batcher:
        for one in finals:
            batcher.submit(one)
        done = completed(batcher, len(finals))
        assert batcher.counters().retried > 0
    texts = {one.request.session_id: one.result.hypothesis.text for one in done if one.result is not None}
    assert texts == {one.session_id: text_of(one) for one in finals}


Load = Callable[[], Recognizer]


def batcher_loading(loads: Sequence[Load], settings: EngineSettings, clock: ManualClock) -> MicroBatcher:
    """A batcher that loads one engine after the other."""
    left = iter(loads)

    def load() -> Recognizer:
        return next(left)()

    return MicroBatcher(load, settings, clock)


@contextmanager
def hanging(*successors: Load) -> Iterator[tuple[MicroBatcher, ManualClock, Busy]]:
    """A batcher whose engine hangs with a first request, "holder"; then it loads one successor after the other."""
    busy, clock = Busy(lambda audio: Hypothesis("late")), ManualClock()
    with batcher_loading([lambda: ScriptedRecognizer(busy), *successors], HASTY, clock) as batcher:
        batcher.submit(request(session="holder"))
        assert busy.started.wait(PATIENCE_S)
        try:
            yield batcher, clock, busy
        finally:
            busy.may_go_on.set()


def look_on(batcher: MicroBatcher, clock: ManualClock, ms: int) -> None:
    """Lets time pass in steps, with a look after each, as a lane's timer does."""
    for _ in range(ms // 500):
        clock.advance(500)
        batcher.drain(lane=NOBODYS)


def test_a_call_that_hangs_is_abandoned_and_another_engine_answers_its_request() -> None:
    with hanging(ScriptedRecognizer) as (batcher, clock, _):
        look_on(batcher, clock, 2_000)
        (done,) = completed(batcher, 1)
        assert done.result is not None
        assert done.result.hypothesis.text == text_of(done.request)
        counters = batcher.counters()
        assert (counters.hangs, counters.abandoned, counters.engines_replaced) == (1, 1, 1)


def test_the_late_answer_of_an_abandoned_call_is_thrown_away() -> None:
    with hanging(ScriptedRecognizer) as (batcher, clock, busy):
        look_on(batcher, clock, 2_000)
        assert len(completed(batcher, 1)) == 1
        busy.may_go_on.set()
        assert wait_until(lambda: batcher.counters().abandoned == 0, PATIENCE_S)
        assert batcher.drain() == []


def test_the_others_work_on_while_a_replacement_is_loaded() -> None:
    busy, may_load, clock = Busy(), Event(), ManualClock()

    def first() -> Recognizer:
        return ScriptedRecognizer(lambda audio: busy(audio) if len(audio) == 900 * 16 else spell(audio))

    def second() -> Recognizer:
        assert may_load.wait(PATIENCE_S)
        return ScriptedRecognizer(name="second")

    with batcher_loading([first, second], EngineSettings(workers=2, call_timeout_ms=1_000), clock) as batcher:
        batcher.submit(request(session="poison", audio_ms=900))
        assert busy.started.wait(PATIENCE_S)
        look_on(batcher, clock, 2_500)
        batcher.submit(request(session="meanwhile"))
        assert answered(batcher) == ("meanwhile", "scripted")
        may_load.set()
        assert answered(batcher) == ("poison", "second")
        busy.may_go_on.set()


def answered(batcher: MicroBatcher) -> tuple[str, str]:
    """Whose request is completed next, and the model that answered it."""
    (done,) = completed(batcher, 1)
    assert done.result is not None
    return done.request.session_id, done.result.model


def test_too_many_calls_that_never_come_back_end_in_an_error_that_asks_for_a_restart() -> None:
    all_busy, clock = [Busy() for _ in range(MOST_ABANDONED + 1)], ManualClock()
    engines = [ScriptedRecognizer(busy) for busy in all_busy]
    with ExitStack() as stack:
        batcher = stack.enter_context(batcher_loading([partial(next, iter(engines))] * len(engines), HASTY, clock))
        for busy in all_busy:
            stack.callback(busy.may_go_on.set)
        for number, busy in enumerate(all_busy[:-1]):
            batcher.submit(request(session=str(number)))
            assert busy.started.wait(PATIENCE_S)
            look_on(batcher, clock, 2_000)
        assert all_busy[-1].started.wait(PATIENCE_S)
        with pytest.raises(EngineStuck, match="5 calls of scripted never came back; restart the process"):
            look_on(batcher, clock, 2_000)
        with pytest.raises(EngineStuck):
            batcher.submit(request(session="one more"))


def test_a_replacement_that_cannot_be_loaded_is_an_error_that_says_why() -> None:
    def fail() -> Recognizer:
        raise MemoryError("no room")

    def hear_of_it() -> None:
        look_on(batcher, clock, 2_000)
        batcher.wait(PATIENCE_S)

    why = r"scripted hung, and no other could be loaded: MemoryError\('no room'\)"
    with hanging(fail) as (batcher, clock, _), pytest.raises(EngineStuck, match=why):
        hear_of_it()


def test_a_replacement_that_is_never_loaded_is_an_error_too() -> None:
    may_load = Event()

    def never() -> Recognizer:
        assert may_load.wait(PATIENCE_S)
        return ScriptedRecognizer()

    with hanging(never) as (batcher, clock, _):
        with pytest.raises(EngineStuck, match=f"an engine was not loaded within {LOAD_TIMEOUT_MS} ms"):
            look_on(batcher, clock, 2_000 + LOAD_TIMEOUT_MS)
        may_load.set()


def test_a_caller_that_waits_for_room_notices_a_hang() -> None:
    busy, settings = Busy(), EngineSettings(workers=1, queue_limit=1, call_timeout_ms=2_000)
    loads = [lambda: ScriptedRecognizer(busy), ScriptedRecognizer]
    with batcher_loading(loads, settings, PassingClock(step_ms=200)) as batcher:
        for number in range(3):
            batcher.submit(request(session=str(number)))
        assert len(completed(batcher, 3)) == 3
        assert batcher.counters().hangs == 1
        busy.may_go_on.set()


def test_closing_does_not_wait_for_a_call_that_was_abandoned() -> None:
    with hanging(ScriptedRecognizer) as (batcher, clock, _):
        look_on(batcher, clock, 2_000)
        started_s = monotonic()
        batcher.close(patience_s=PATIENCE_S)
        assert (batcher.counters().abandoned, monotonic() - started_s < PATIENCE_S) == (1, True)


def test_closing_leaves_a_call_behind_that_outlasts_its_patience() -> None:
    with hanging() as (batcher, _, busy):
        batcher.close(patience_s=0.0)
        assert not busy.may_go_on.is_set()
