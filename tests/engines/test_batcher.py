"""Every request is completed once: with a text, with an error, or as shed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from pipeline.domain.types import Hypothesis, InferenceRequest, Pcm, RequestKind
from pipeline.engines.base import EngineSettings
from pipeline.engines.batcher import Completed, MicroBatcher
from pipeline.engines.results import samples_of
from pipeline.errors import EngineError
from pipeline.testing import ManualClock, ScriptedRecognizer, failing, spell
from tests.engines.helpers import request

PATIENCE_S = 10.0
PARTIAL = RequestKind.PARTIAL


class Busy:
    """A script that holds the engine in its first batch until it is told to go on."""

    def __init__(self, then: Callable[[Pcm], Hypothesis] = spell) -> None:
        self.started, self.may_go_on, self._then = Event(), Event(), then

    def __call__(self, audio: Pcm) -> Hypothesis:
        self.started.set()
        assert self.may_go_on.wait(PATIENCE_S)
        return self._then(audio)


@contextmanager
def held(
    recognizer: ScriptedRecognizer, settings: EngineSettings | None = None, clock: ManualClock | None = None
) -> Iterator[tuple[MicroBatcher, Busy]]:
    """A batcher whose engine is busy with a first request, "holder", so that others queue up behind it."""
    busy = recognizer.script = Busy(recognizer.script)
    with MicroBatcher(recognizer, settings or EngineSettings(workers=1), clock or ManualClock()) as batcher:
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
    with MicroBatcher(ScriptedRecognizer(), EngineSettings(), clock) as batcher:
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
    with MicroBatcher(engine, EngineSettings(), ManualClock()) as batcher:
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
        batcher.submit(request(PARTIAL, session="partial"), deadline_ms=50)
        batcher.submit(request(session="final"), deadline_ms=50)
        clock.advance(51)
        busy.may_go_on.set()
        results = {one.request.session_id: one.result for one in completed(batcher, 3)}
        assert (results["partial"], results["final"] is not None) == (None, True)
        assert batcher.counters().late == 1


def test_a_member_that_breaks_its_batch_fails_alone() -> None:
    def allergic(audio: Pcm) -> Hypothesis:
        return failing(audio) if audio[0] < 0 else spell(audio)

    engine = ScriptedRecognizer(allergic)
    with held(engine) as (batcher, busy):
        for number, level in enumerate((100, -100, 200)):
            batcher.submit(request(session=str(number), level=level))
        busy.may_go_on.set()
        results = {one.request.session_id: one.result for one in completed(batcher, 4)}
        assert batcher.counters().failed == 1
    errors = {session: result.error for session, result in results.items() if result is not None}
    assert errors == {"holder": None, "0": None, "1": "EngineError: scripted failure on 6400 samples", "2": None}
    assert engine.batches == [1, 3, 1, 1, 1]


def test_audio_that_is_too_long_is_answered_with_an_error() -> None:
    with MicroBatcher(ScriptedRecognizer(max_samples=100), EngineSettings(), ManualClock()) as batcher:
        batcher.submit(request())
        (only,) = batcher.wait(PATIENCE_S)
    assert only.result is not None
    assert only.result.error == "ValueError: 6400 samples are more than the 100 of scripted"


def test_a_broken_engine_does_not_end_the_thread() -> None:
    def broken(audio: Pcm) -> Hypothesis:
        raise ZeroDivisionError("a bug")

    with MicroBatcher(ScriptedRecognizer(broken), EngineSettings(), ManualClock()) as batcher:
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
    with MicroBatcher(ScriptedRecognizer(), EngineSettings(), ManualClock()) as batcher:
        assert (batcher.drain(), batcher.wait(PATIENCE_S)) == ([], [])


def test_a_closed_batcher_takes_nothing_more() -> None:
    batcher = MicroBatcher(ScriptedRecognizer(), EngineSettings(), ManualClock())
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
    with MicroBatcher(engine, EngineSettings(workers=2), ManualClock()) as batcher:
        batcher.submit(long)
        assert busy.started.wait(PATIENCE_S)
        batcher.submit(final)
        assert [one.request for one in completed(batcher, 1)] == [final]
        busy.may_go_on.set()
