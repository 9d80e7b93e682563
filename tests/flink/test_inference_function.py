"""The inference operator: requests in flight, timers and state around the micro-batcher."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.domain.cadence import Load
from pipeline.domain.plain import to_plain
from pipeline.domain.ports import Recognizer
from pipeline.domain.types import Hypothesis, InferenceRequest, InferenceResult, Pcm, RequestKind, StageTimes
from pipeline.engines.base import EngineSettings
from pipeline.engines.retries import Tries
from pipeline.errors import EngineError, UnknownSnapshot
from pipeline.flink.clock import wall_clock_ms
from pipeline.flink.inference_function import InferenceFunction
from pipeline.flink.load_board import LoadBoard
from pipeline.flink.settings import JobSettings
from pipeline.flink.unanswered import request_id, restored, stored
from pipeline.observability import metrics
from pipeline.testing import ScriptedRecognizer, failing, spell
from tests.flink.harness import KeyedState, MapSlot, Operator

LANE, OTHER_LANE = 0, 5
PATIENCE_S = 10
TIMED = {metrics.QUEUED_MS, metrics.BUSY_MS}
"""Counters whose figure depends on how fast this machine is."""


def request(kind: RequestKind = RequestKind.FINAL, revision: int = 0, session: str = "s") -> InferenceRequest:
    audio = bytes([1, 1]) * 8_000
    return InferenceRequest(session, "acme", 0, 0, revision, kind, 0, 500, audio, "en", StageTimes())


def load(settings: EngineSettings) -> ScriptedRecognizer:
    return ScriptedRecognizer()


def operator(state: KeyedState) -> Operator:
    return Operator(InferenceFunction(JobSettings(), load), state)


def operator_on(state: KeyedState, script: Callable[[Pcm], Hypothesis]) -> Operator:
    """With an engine that follows the script."""
    return Operator(InferenceFunction(JobSettings(), lambda settings: ScriptedRecognizer(script)), state)


def answers(lane: Operator, count: int) -> list[InferenceResult]:
    """Rings the lane's timers until so many results came."""
    results: list[Any] = []
    give_up_s = time.monotonic() + PATIENCE_S
    while len(results) < count and time.monotonic() < give_up_s:
        results += lane.ring_until(wall_clock_ms())
    lane.close()
    return results


def test_a_request_is_answered_by_a_timer() -> None:
    lane = operator(KeyedState())
    assert lane.send(LANE, request(RequestKind.FINAL)) == []
    assert [result.revision for result in answers(lane, 1)] == [0]


def test_an_answered_request_leaves_no_state_and_no_timer() -> None:
    state = KeyedState()
    lane = operator(state)
    lane.send(LANE, request(RequestKind.FINAL))
    answers(lane, 1)
    assert (state.values, state.timers) == ({}, set())


def test_finals_in_flight_are_submitted_again_after_a_crash() -> None:
    state = KeyedState()
    before = operator(state)
    before.send(LANE, request(RequestKind.EARLY_FINAL, 1))
    before.send(LANE, request(RequestKind.FINAL, 2))
    before.close()
    assert sorted(result.revision for result in answers(operator(state), 2)) == [1, 2]


def test_partials_are_not_kept_in_state() -> None:
    state = KeyedState()
    lane = operator(state)
    lane.send(LANE, request(RequestKind.PARTIAL))
    lane.close()
    assert state.values == {}


def test_the_text_after_a_crash_is_the_text_without_one() -> None:
    state, final = KeyedState(), request(RequestKind.FINAL)
    crashed = operator(state)
    crashed.send(LANE, final)
    crashed.close()
    (after,) = answers(operator(state), 1)
    undisturbed = operator(KeyedState())
    undisturbed.send(LANE, final)
    (expected,) = answers(undisturbed, 1)
    assert replace(after, times=StageTimes()) == replace(expected, times=StageTimes())


def test_the_lanes_of_a_subtask_share_one_engine_and_keep_their_requests_apart() -> None:
    loads: list[Recognizer] = []

    def loaded(settings: EngineSettings) -> Recognizer:
        loads.append(load(settings))
        return loads[-1]

    state = KeyedState()
    subtask = Operator(InferenceFunction(JobSettings(), loaded), state)
    subtask.send(LANE, request(session="a"))
    subtask.send(OTHER_LANE, request(session="b"))
    assert sorted(result.session_id for result in answers(subtask, 2)) == ["a", "b"]
    assert (len(loads), state.values, state.timers) == (1, {}, set())


def test_the_unanswered_of_every_lane_that_a_subtask_inherits_are_submitted_again() -> None:
    state = KeyedState()
    for lane, session in ((LANE, "a"), (OTHER_LANE, "b")):
        before = operator(state)
        before.send(lane, request(session=session))
        before.close()
    inherited = operator(state)
    assert sorted(result.session_id for result in answers(inherited, 2)) == ["a", "b"]
    assert (state.values, state.timers) == ({}, set())


def test_requests_that_a_release_without_versions_left_waiting_are_answered() -> None:
    state = KeyedState(key=LANE, timers={(0, LANE)})
    MapSlot(state, "unanswered").put(request_id(request()), to_plain(request()))
    assert [result.session_id for result in answers(operator(state), 1)] == ["s"]
    assert state.values == {}


def test_requests_that_a_later_release_left_waiting_are_refused() -> None:
    state = KeyedState(key=LANE)
    MapSlot(state, "unanswered").put("s", {**stored(request()), "version": 99})
    with pytest.raises(UnknownSnapshot, match="requests that wait for the engine has version 99"):
        operator(state).send(LANE, request())


def test_how_often_a_request_has_failed_is_not_forgotten_in_a_crash() -> None:
    state = KeyedState()
    lane = operator_on(state, failing)
    lane.send(LANE, request())
    give_up_s = time.monotonic() + PATIENCE_S
    while kept(state) == Tries() and time.monotonic() < give_up_s:
        lane.ring_until(wall_clock_ms())
    lane.close()
    assert kept(state).failed >= 1


def kept(state: KeyedState) -> Tries:
    """What the state says became of the only request in it."""
    (saved,) = MapSlot(state, "unanswered").values()
    return restored(saved)[1]


def test_flink_s_counters_tell_what_the_batcher_did() -> None:
    def fails_once(audio: Pcm) -> Hypothesis:
        failures.append(None)
        if len(failures) == 1:
            raise EngineError("once")
        return spell(audio)

    failures: list[None] = []
    lane = operator_on(KeyedState(), fails_once)
    lane.send(LANE, request())
    answers(lane, 1)
    shown = {name: counter.count for name, counter in lane.counters.items() if name not in TIMED and counter.count}
    assert shown == {
        metrics.REQUESTS: 1,
        metrics.BATCHES: 2,
        metrics.BATCHED_REQUESTS: 2,
        metrics.RETRIES: 1,
        metrics.AUDIO_MS: 1_000,
    }


def test_the_silence_after_short_audio_is_counted_as_padding() -> None:
    lane = operator(KeyedState())
    lane.send(LANE, replace(request(), audio=bytes([1, 1]) * 4_800))
    answers(lane, 1)
    assert [lane.counters[name].count for name in (metrics.AUDIO_MS, metrics.PADDING_MS)] == [300, 200]


def test_the_load_is_told_while_requests_are_under_way_and_not_after_the_end(board: LoadBoard) -> None:
    lane = operator(KeyedState())
    lane.send(LANE, request(RequestKind.FINAL))
    lane.ring_until(wall_clock_ms() + 1_000)
    assert board.load(wall_clock_ms()) is Load.IDLE
    lane.close()
    assert board.load(wall_clock_ms()) is Load.BUSY


def test_the_fallback_of_the_settings_answers_for_an_engine_that_fails_and_says_so() -> None:
    def load_either(settings: EngineSettings) -> ScriptedRecognizer:
        script = spell if settings.recognizer == "spare" else failing
        return ScriptedRecognizer(script, name=settings.recognizer)

    engine = EngineSettings(recognizer="main", fallback="spare", attempts=1)
    lane = Operator(InferenceFunction(JobSettings(engine=engine), load_either), KeyedState())
    lane.send(LANE, request(RequestKind.FINAL))
    (answer,) = answers(lane, 1)
    assert (answer.model, answer.degraded, answer.error) == ("spare", True, None)
    assert lane.counters[metrics.FALLBACK_ANSWERS].count == 1
