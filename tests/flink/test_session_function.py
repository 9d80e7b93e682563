"""The sessions operator: state, timers and side outputs around the domain's session."""

import pickle
import threading
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest

from pipeline.domain.cadence import Load
from pipeline.domain.types import InferenceRequest, Received, RequestKind, SegmentClosed, SessionEnded
from pipeline.domain.usage import UsageTotals, totals_of
from pipeline.engines.base import EngineSettings
from pipeline.flink.hops import packed
from pipeline.flink.load_board import LoadBoard
from pipeline.flink.outputs import DEAD_LETTERS, MARKERS, USAGE
from pipeline.flink.session_function import SessionFunction, load_ports
from pipeline.flink.settings import JobSettings
from pipeline.observability.metrics import PARTIALS_WITHHELD, SESSIONS_LIVE
from tests.domain.helpers import BROKEN, PORTS, STARTED_AT_MS, EnergyDetector, chunks_of, received, talk, timeless
from tests.flink.harness import KeyedState, Operator

SENTENCE = talk("silence 300", "speech 1500", "silence 900", "speech 700", "silence 700")


class Clock:
    """Stands where the newest chunk arrived, until it is moved."""

    now_ms = STARTED_AT_MS

    def __call__(self) -> int:
        return self.now_ms


def operator(state: KeyedState, clock: Clock | None = None) -> Operator:
    return Operator(SessionFunction(JobSettings(), lambda _: PORTS, clock or Clock()), state)


def send(to: Operator, item: Received, session_id: str = "s") -> list[Any]:
    return to.send(session_id, packed(replace(item, chunk=replace(item.chunk, session_id=session_id))))


def send_all(to: Operator, chunks: list[Received]) -> list[Any]:
    return [out for chunk in chunks for out in send(to, chunk)]


def markers(outputs: list[Any]) -> list[Any]:
    return [out[1] for out in outputs if isinstance(out, tuple) and out[0] == MARKERS]


def requests(outputs: list[Any]) -> list[InferenceRequest]:
    return [out for out in outputs if isinstance(out, InferenceRequest)]


def tick(sessions: Operator, clock: Clock) -> list[Any]:
    """Lets a second go by, as it does in a job that is awake."""
    clock.now_ms += 1_000
    return sessions.ring_until(clock.now_ms)


def comparable(outputs: list[Any]) -> list[object]:
    return [timeless(out[1] if isinstance(out, tuple) else out) for out in outputs]


def test_a_sentence_gives_requests_on_the_main_output_and_its_end_as_a_marker() -> None:
    outputs = send_all(operator(KeyedState()), chunks_of(SENTENCE))
    assert [type(marker) for marker in markers(outputs)] == [SegmentClosed, SegmentClosed, SessionEnded]
    assert {request.kind for request in requests(outputs)} == {RequestKind.PARTIAL, RequestKind.EARLY_FINAL}


def test_an_operator_restarted_after_any_chunk_says_what_an_undisturbed_one_says() -> None:
    chunks = chunks_of(SENTENCE)
    undisturbed = comparable(send_all(operator(KeyedState()), chunks))
    for crash in range(1, len(chunks)):
        state = KeyedState()
        before = send_all(operator(state), chunks[:crash])
        after = send_all(operator(state), chunks[crash:])
        assert comparable(before + after) == undisturbed


def test_an_undecodable_packet_goes_to_the_dead_letters() -> None:
    speech, broken = chunks_of(SENTENCE, ends=False)[0], received(1, BROKEN)
    outputs = send_all(operator(KeyedState()), [speech, broken])
    assert [tag for tag, _ in outputs] == [DEAD_LETTERS]


def usage(outputs: list[Any]) -> UsageTotals:
    reports = [out[1] for out in outputs if isinstance(out, tuple) and out[0] == USAGE]
    return reduce(add, map(totals_of, reports), UsageTotals())


def test_what_a_session_used_is_reported_aside_when_it_ends() -> None:
    totals = usage(send_all(operator(KeyedState()), chunks_of(SENTENCE)))
    assert (totals.sessions, totals.audio_ms, totals.finals) == (1, 4_100, 2)


def test_a_session_whose_clock_is_hours_ahead_is_counted_when_its_audio_arrived() -> None:
    chunks = chunks_of(SENTENCE)
    ahead = [
        replace(item, stored_at_ms=item.at_ms, chunk=replace(item.chunk, captured_at_ms=item.at_ms + 7_200_000))
        for item in chunks
    ]
    outputs = send_all(operator(KeyedState()), ahead)
    (report,) = [out[1] for out in outputs if isinstance(out, tuple) and out[0] == USAGE]
    assert report.at_ms == chunks[-1].at_ms


def test_what_an_idle_session_used_is_reported_when_it_is_given_up() -> None:
    clock = Clock()
    sessions = operator(KeyedState(), clock)
    sent = send_all(sessions, chunks_of(SENTENCE, ends=False))
    later = [out for _ in range(60) for out in tick(sessions, clock)]
    assert (usage(sent).audio_ms, usage(later).audio_ms) == (0, 4_100)


def test_what_the_first_releases_kept_of_a_session_goes_on() -> None:
    state, chunks = KeyedState(), chunks_of(SENTENCE)
    send_all(operator(state), chunks[:20])
    saved = pickle.loads(state.values["s", "session"])
    del saved["usage"]["version"], saved["progress"]["stored_at_ms"]
    state.values["s", "session"] = pickle.dumps(saved)
    totals = usage(send_all(operator(state), chunks[20:]))
    assert (totals.sessions, totals.audio_ms, totals.finals) == (1, 4_100, 2)


def test_partials_that_a_lagging_job_withholds_are_counted() -> None:
    clock, chunks = Clock(), chunks_of(SENTENCE)
    late = [replace(item, stored_at_ms=STARTED_AT_MS) for item in chunks]
    clock.now_ms = STARTED_AT_MS + 60_000
    sessions = operator(KeyedState(), clock)
    kinds = {request.kind for request in requests(send_all(sessions, late))}
    punctual = operator(KeyedState())
    asked = [each for each in requests(send_all(punctual, chunks)) if each.kind is RequestKind.PARTIAL]
    assert kinds == {RequestKind.FINAL}
    assert sessions.counters[PARTIALS_WITHHELD].count == len(asked) + punctual.counters[PARTIALS_WITHHELD].count


def test_sessions_in_memory_are_counted() -> None:
    clock, state = Clock(), KeyedState()
    send_all(operator(state, clock), chunks_of(SENTENCE))
    sessions = operator(state, clock)
    send(sessions, received(0, end_of_stream=True), "t")
    assert sessions.counters[SESSIONS_LIVE].count == 1
    send_all(sessions, chunks_of(SENTENCE))
    assert sessions.counters[SESSIONS_LIVE].count == 2
    clock.now_ms += 31_000
    sessions.ring_until(clock.now_ms)
    assert sessions.counters[SESSIONS_LIVE].count == 0


def test_a_silent_producer_ends_its_session() -> None:
    clock = Clock()
    sessions = operator(KeyedState(), clock)
    send_all(sessions, chunks_of(SENTENCE, ends=False))
    outputs = [out for _ in range(60) for out in tick(sessions, clock)]
    assert isinstance(markers(outputs)[-1], SessionEnded)


def test_a_restored_session_is_not_ended_by_the_time_the_job_was_away() -> None:
    clock, state = Clock(), KeyedState()
    send_all(operator(state, clock), chunks_of(SENTENCE, ends=False))
    clock.now_ms += 60_000
    assert operator(state, clock).ring_until(clock.now_ms) == []


def test_a_session_is_not_ended_by_a_stall_of_the_job() -> None:
    clock, state = Clock(), KeyedState()
    sessions = operator(state, clock)
    send_all(sessions, chunks_of(SENTENCE, ends=False))
    clock.now_ms += 60_000
    assert sessions.ring_until(clock.now_ms) == []


def test_a_session_is_not_silent_while_the_job_is_behind() -> None:
    clock = Clock()
    sessions = operator(KeyedState(), clock)
    send_all(sessions, chunks_of(SENTENCE, ends=False))
    outputs: list[Any] = []
    for seq in range(60):  # a minute in which others' records, stored 20 s before, are all that comes
        send(sessions, replace(received(seq), stored_at_ms=clock.now_ms - 20_000), "other")
        outputs += tick(sessions, clock)
    assert markers(outputs) == []
    outputs = [out for _ in range(40) for out in tick(sessions, clock)]
    assert isinstance(markers(outputs)[-1], SessionEnded)


def test_an_ended_session_leaves_no_state_and_no_timer() -> None:
    clock, state = Clock(), KeyedState()
    sessions = operator(state, clock)
    send_all(sessions, chunks_of(SENTENCE))
    clock.now_ms += 120_000
    sessions.ring_until(clock.now_ms)
    assert (state.values, state.timers) == ({}, set())


@pytest.mark.parametrize("chunk_ms", [20, 100, 250])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_idle_session_keeps_less_than_64_kb(channels: int, chunk_ms: int) -> None:
    state = KeyedState()
    sessions = operator(state)
    for chunk in chunks_of(np.stack([talk("silence 20000")] * channels), chunk_ms, ends=False):
        send(sessions, chunk)
        assert state.size_bytes("s") < 64 * 1024


def test_the_state_of_an_open_segment_is_appended_to_not_written_anew() -> None:
    state = KeyedState()
    sessions = operator(state)
    chunks = chunks_of(talk("speech 9000"), ends=False)
    send_all(sessions, chunks[:80])
    kept = state.values["s", "audio"]
    send(sessions, chunks[80])
    assert state.values["s", "audio"][:-1] == kept


def test_the_load_that_was_told_decides_how_many_partials_are_asked_for(board: LoadBoard) -> None:
    def asked(load: Load) -> int:
        board.tell(1, load, STARTED_AT_MS)
        return len(requests(send_all(operator(KeyedState(), Clock()), chunks_of(SENTENCE))))

    assert asked(Load.IDLE) > asked(Load.BUSY) > asked(Load.FULL)


def test_the_detector_is_loaded_by_a_thread_of_pythons_own() -> None:
    """A native module that one of pemja's threads imports first may wait for the interpreter's lock for ever."""
    loaders: list[threading.Thread] = []

    def load(_: EngineSettings) -> type[EnergyDetector]:
        loaders.append(threading.current_thread())
        return EnergyDetector

    assert load_ports(JobSettings(), load).make_detector is EnergyDetector
    assert loaders != [threading.current_thread()]
