"""The keyed operator around the engine: requests in, results out when their batch is done.

It is keyed by *lane*, not by session, so that one timer polls for the results of many sessions, and so that requests
in flight have keyed state to wait in: finals that were not answered before a crash are submitted again after it.
Partials are not kept; a later one replaces them anyway.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyflink.common.typeinfo import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import InferenceRequest, InferenceResult, RequestKind
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.engines.batcher import MicroBatcher
from pipeline.engines.retries import NEVER_TRIED, Tries
from pipeline.flink.batch_metrics import BatchMetrics
from pipeline.flink.clock import Clock, wall_clock_ms
from pipeline.flink.load_board import BOARD
from pipeline.flink.settings import JobSettings
from pipeline.flink.unanswered import request_id, restored, stored


@dataclass(slots=True)
class Lane:
    """What is under way for one key: ``waiting`` requests, for which a timer rings if ``armed``."""

    waiting: int = 0
    armed: bool = False


class InferenceFunction(KeyedProcessFunction):
    """The lanes of one subtask, which share its engine and its queue.

    There is one, but for a change of parallelism: then a subtask can inherit lanes of before, with the requests that
    wait in their state and the timers that will ask for them.
    """

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
        self._board = BOARD
        self._metrics = BatchMetrics(runtime_context.get_metrics_group())
        self._batcher = self._made_batcher()
        self._lanes: dict[int, Lane] = {}
        self._unanswered = runtime_context.get_map_state(
            MapStateDescriptor("unanswered", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )

    def close(self) -> None:
        self._board.forget(id(self))
        self._batcher.close()

    def process_element(self, value: InferenceRequest, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        key = ctx.get_current_key()
        lane = self._lane(key)
        if value.kind is not RequestKind.PARTIAL:
            self._unanswered.put(request_id(value), stored(value))
        self._submit(key, lane, value)
        self._arm(lane, ctx.timer_service())
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[InferenceResult]:
        key = ctx.get_current_key()
        lane = self._lane(key)
        lane.armed = False
        for completed in self._batcher.drain(key):
            lane.waiting -= 1
            if completed.request.kind is not RequestKind.PARTIAL:
                self._unanswered.remove(request_id(completed.request))
            if completed.result is not None:
                yield completed.result
        for failed in self._batcher.retried(key):
            self._unanswered.put(request_id(failed.request), stored(failed.request, failed.tries))
        self._arm(lane, ctx.timer_service())
        self._metrics.show(self._batcher.counters())
        self._board.tell(id(self), self._batcher.load(), self._clock())

    def _lane(self, key: int) -> Lane:
        """The lane of the key, with what waits in its state since before a restart."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane()
            for saved in list(self._unanswered.values()):
                self._submit(key, lane, *restored(saved))
        return lane

    def _submit(self, key: int, lane: Lane, request: InferenceRequest, tries: Tries = NEVER_TRIED) -> None:
        lane.waiting += 1
        self._batcher.submit(request, lane=key, tries=tries)

    def _made_batcher(self) -> MicroBatcher:
        """With the fallback loaded as well: what is wrong with it must come out before it is needed."""
        settings = self._settings.engine
        fallback = settings.of_fallback()
        load_fallback = None if fallback is None else partial(self._loaded, fallback)
        return MicroBatcher(partial(self._loaded, settings), settings, self._clock, load_fallback)

    def _loaded(self, settings: EngineSettings) -> Recognizer:
        recognizer = self._load(settings)
        recognizer.warm_up()
        return recognizer

    def _arm(self, lane: Lane, timers: Any) -> None:
        if lane.waiting and not lane.armed:
            lane.armed = True
            timers.register_processing_time_timer(self._clock() + self._settings.poll_ms)
