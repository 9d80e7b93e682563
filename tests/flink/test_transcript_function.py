"""The transcripts operator: state and side outputs around the domain's assembler."""

from typing import Any

from pipeline.codecs.avro import decode_transcript
from pipeline.domain.types import (
    Hypothesis,
    InferenceResult,
    RequestKind,
    SegmentClosed,
    SessionEnded,
    StageTimes,
    Transcript,
    TranscriptKind,
)
from pipeline.domain.usage import UsageReport
from pipeline.flink.clock import Clock
from pipeline.flink.outputs import FINALS, USAGE
from pipeline.flink.settings import JobSettings
from pipeline.flink.transcript_function import TranscriptFunction
from pipeline.testing import ManualClock
from tests.flink.harness import KeyedState, Operator

NOW_MS = 5_000_000


def operator(state: KeyedState, clock: Clock = lambda: NOW_MS) -> Operator:
    return Operator(TranscriptFunction(JobSettings(), clock), state)


def result(text: str, revision: int, kind: RequestKind, recognised_at_ms: int = NOW_MS - 40) -> InferenceResult:
    times = StageTimes(captured_at_ms=NOW_MS - 100, requested_at_ms=NOW_MS - 80, recognised_at_ms=recognised_at_ms)
    return InferenceResult("s", "acme", 0, 0, revision, kind, 0, 900, Hypothesis(text), "en", "m", "1", times)


CLOSED = SegmentClosed("s", "acme", 0, 0, 1, 0, 900, 0, 3, 10, 19, NOW_MS - 20)
ENDED = SessionEnded("s", "acme", 1, 1500, 0, 3, 10, 25, NOW_MS - 10)


def written(outputs: list[Any]) -> list[Transcript]:
    rows = [out[1] if isinstance(out, tuple) else out for out in outputs if not is_usage(out)]
    return [decode_transcript(row[1]) for row in rows]


def is_usage(output: Any) -> bool:
    return isinstance(output, tuple) and output[0] == USAGE


def test_partials_go_to_the_main_output_and_finals_aside() -> None:
    transcripts = operator(KeyedState())
    (partial,) = transcripts.send("s", result("hello", 0, RequestKind.PARTIAL))
    transcripts.send("s", result("hello there", 1, RequestKind.EARLY_FINAL))
    (tag, final), _ = transcripts.send("s", CLOSED)
    assert tag == FINALS
    assert [each.text for each in written([partial, final])] == ["hello", "hello there"]


def test_the_wait_for_a_final_is_reported_aside() -> None:
    transcripts = operator(KeyedState())
    transcripts.send("s", result("hello there", 1, RequestKind.EARLY_FINAL))
    reports = [out[1] for out in transcripts.send("s", CLOSED) if is_usage(out)]
    assert reports == [UsageReport("acme", NOW_MS - 100, wait_ms=100)]


def test_records_are_keyed_by_the_session() -> None:
    (partial,) = operator(KeyedState()).send("s", result("hello", 0, RequestKind.PARTIAL))
    assert partial[0] == b"s"


def test_an_early_final_answered_before_a_crash_is_the_final_after_it() -> None:
    state = KeyedState()
    operator(state).send("s", result("hello there", 1, RequestKind.EARLY_FINAL))
    (final,) = written(operator(state).send("s", CLOSED))
    assert (final.kind, final.text) == (TranscriptKind.FINAL, "hello there")


def test_the_end_of_a_session_waits_for_its_last_final() -> None:
    transcripts = operator(KeyedState())
    assert transcripts.send("s", CLOSED) + transcripts.send("s", ENDED) == []
    kinds = [each.kind for each in written(transcripts.send("s", result("late", 1, RequestKind.FINAL)))]
    assert kinds == [TranscriptKind.FINAL, TranscriptKind.SESSION_END]


def test_an_ended_session_leaves_no_state() -> None:
    state = KeyedState()
    transcripts = operator(state)
    transcripts.send("s", result("hello there", 1, RequestKind.EARLY_FINAL))
    transcripts.send("s", CLOSED)
    transcripts.send("s", ENDED)
    transcripts.ring_until(NOW_MS + 120_000)
    assert (state.values, state.timers) == ({}, set())


def test_a_session_whose_last_final_comes_after_its_end_leaves_no_state() -> None:
    state = KeyedState()
    transcripts = operator(state)
    for event in (CLOSED, ENDED, result("late", 1, RequestKind.FINAL)):
        transcripts.send("s", event)
    transcripts.ring_until(NOW_MS + 60_000)
    assert (state.values, state.timers, transcripts.remembers()) == ({}, set(), [])


def ended_session(state: KeyedState, clock: ManualClock) -> Operator:
    """Transcripts that were all written, and forgotten some time after the session's end."""
    transcripts = operator(state, clock)
    for event in (result("hello there", 1, RequestKind.EARLY_FINAL), CLOSED, ENDED):
        transcripts.send("s", event)
    clock.advance(61_000)
    transcripts.ring_until(clock.now_ms)
    assert state.values == {}
    return transcripts


def test_a_partial_that_comes_after_its_session_was_forgotten_is_not_shown_and_leaves_no_state() -> None:
    clock, state = ManualClock(NOW_MS), KeyedState()
    transcripts = ended_session(state, clock)
    assert transcripts.send("s", result("hello", 0, RequestKind.PARTIAL)) == []
    assert (state.values, state.timers) == ({}, set())


def test_a_discarded_early_final_that_comes_after_its_session_was_forgotten_is_not_shown_nor_kept_for_ever() -> None:
    clock, state = ManualClock(NOW_MS), KeyedState()
    transcripts = ended_session(state, clock)
    assert transcripts.send("s", result("hello", 0, RequestKind.EARLY_FINAL, clock.now_ms)) == []
    assert transcripts.ring_until(NOW_MS + 7_200_000) == []
    assert (state.values, state.timers) == ({}, set())


def test_an_early_final_that_had_to_wait_for_the_job_to_come_back_is_the_final_all_the_same() -> None:
    clock, state = ManualClock(NOW_MS + 900_000), KeyedState()
    transcripts = operator(state, clock)
    assert transcripts.send("s", result("hello there", 1, RequestKind.EARLY_FINAL, clock.now_ms)) == []
    clock.advance(30_000)
    transcripts.ring_until(clock.now_ms)
    (final,) = written(transcripts.send("s", CLOSED))
    assert (final.kind, final.text) == (TranscriptKind.FINAL, "hello there")
