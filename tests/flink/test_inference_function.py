"""The inference operator: requests in flight, timers and state around the micro-batcher."""

import time
from dataclasses import replace
from typing import Any

from pipeline.domain.types import InferenceRequest, InferenceResult, RequestKind, StageTimes
from pipeline.engines.base import EngineSettings
from pipeline.flink.clock import wall_clock_ms
from pipeline.flink.inference_function import InferenceFunction
from pipeline.flink.settings import JobSettings
from pipeline.testing import ScriptedRecognizer
from tests.flink.harness import KeyedState, Operator

LANE = 0
PATIENCE_S = 10


def request(kind: RequestKind, revision: int = 0) -> InferenceRequest:
    audio = bytes([1, 1]) * 8_000
    return InferenceRequest("s", "acme", 0, 0, revision, kind, 0, 500, audio, "en", StageTimes())


def load(settings: EngineSettings) -> ScriptedRecognizer:
    return ScriptedRecognizer()


def operator(state: KeyedState) -> Operator:
    return Operator(InferenceFunction(JobSettings(), load), state)


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
