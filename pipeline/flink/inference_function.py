"""The keyed operator around the engine: requests in, results out when their batch is done.

It is keyed by *lane*, not by session, so that one timer polls for the results of many sessions, and so that requests
in flight have keyed state to wait in: finals that were not answered before a crash are submitted again after it.
Partials are not kept; a later one replaces them anyway.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyflink.common.typeinfo import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.ports import Recognizer
from pipeline.domain.types import InferenceRequest, InferenceResult, RequestKind
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.engines.batcher import MicroBatcher
from pipeline.flink.clock import Clock, wall_clock_ms
from pipeline.flink.settings import JobSettings


@dataclass
class Lane:
    """A queue to an engine of its own; ``waiting`` requests are in it, and a timer rings if ``armed``."""

    batcher: MicroBatcher
    waiting: int = 0
    armed: bool = False

    def submit(self, request: InferenceRequest) -> None:
        self.waiting += 1
        self.batcher.submit(request)


class InferenceFunction(KeyedProcessFunction):
    """The lanes of one subtask, usually one; only after the parallelism was changed some inherit a lane of before."""

    def __init__(
        self,
        settings: JobSettings,
        load: Callable[[EngineSettings], Recognizer] = load_recognizer,
        clock: Clock = wall_clock_ms,
    ) -> None:
        self._settings = settings
        self._load = load
        self._clock = clock

    def open(self, runtime_context: RuntimeContext) -> None:
        self._warm = [self._warmed()]
        self._lanes: dict[int, Lane] = {}
        self._unanswered = runtime_context.get_map_state(
            MapStateDescriptor("unanswered", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.batcher.close()

    def process_element(self, value: InferenceRequest, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        lane = self._lane(ctx.get_current_key())
        if value.kind is not RequestKind.PARTIAL:
            self._unanswered.put(_request_id(value), to_plain(value))
        lane.submit(value)
        self._arm(lane, ctx.timer_service())
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[InferenceResult]:
        lane = self._lane(ctx.get_current_key())
        lane.armed = False
        for completed in lane.batcher.drain():
            lane.waiting -= 1
            if completed.request.kind is not RequestKind.PARTIAL:
                self._unanswered.remove(_request_id(completed.request))
            if completed.result is not None:
                yield completed.result
        self._arm(lane, ctx.timer_service())

    def _lane(self, key: int) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            recognizer = self._warm.pop() if self._warm else self._warmed()
            batcher = MicroBatcher(recognizer, self._settings.engine, self._clock)
            lane = self._lanes[key] = Lane(batcher)
            for request in list(self._unanswered.values()):
                lane.submit(from_plain(InferenceRequest, request))
        return lane

    def _warmed(self) -> Recognizer:
        recognizer = self._load(self._settings.engine)
        recognizer.warm_up()
        return recognizer

    def _arm(self, lane: Lane, timers: Any) -> None:
        if lane.waiting and not lane.armed:
            lane.armed = True
            timers.register_processing_time_timer(self._clock() + self._settings.poll_ms)


def _request_id(request: InferenceRequest) -> str:
    return f"{request.session_id}/{request.channel}/{request.segment}/{request.revision}"
