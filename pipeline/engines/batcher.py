"""The micro-batcher: threads that feed the engine from one queue, for callers that must not wait for it.

The caller submits requests and later drains what has been completed, from a timer or in a blocking wait. Each request
that was submitted is completed exactly once: with its result, with a result that names an error, or, for a partial
that was shed, with none.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Condition, Thread
from typing import Self

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import Hypothesis, InferenceRequest, InferenceResult, Pcm
from pipeline.engines.base import EngineSettings
from pipeline.engines.batch_queue import BatchQueue, Shed, Waiting, default_deadline_ms
from pipeline.engines.results import failed, recognized, samples_of
from pipeline.errors import EngineError


@dataclass(frozen=True, slots=True)
class Completed:
    """A request that needs no more waiting for; ``result`` is None where it was a partial that was shed."""

    request: InferenceRequest
    result: InferenceResult | None


@dataclass(slots=True)
class BatchCounters:
    """What the batcher has done since it was made; differences of two readings make rates."""

    waiting: int = 0
    batches: int = 0
    requests: int = 0
    largest_batch: int = 0
    failed: int = 0
    queued_ms: int = 0
    busy_ms: int = 0
    audio_samples: int = 0
    padding_samples: int = 0
    replaced: int = 0
    late: int = 0
    crowded: int = 0

    @property
    def mean_batch(self) -> float:
        """Requests a batch; 0 before the first one."""
        return self.requests / self.batches if self.batches else 0.0

    def add(
        self, batch: Sequence[Waiting], results: Sequence[InferenceResult], started_at_ms: int, ended_at_ms: int
    ) -> None:
        """Count one batch that the engine is done with."""
        audio = sum(len(one.request.audio) // 2 for one in batch)
        self.batches += 1
        self.requests += len(batch)
        self.largest_batch = max(self.largest_batch, len(batch))
        self.failed += sum(result.error is not None for result in results)
        self.queued_ms += sum(started_at_ms - one.submitted_at_ms for one in batch)
        self.busy_ms += ended_at_ms - started_at_ms
        self.audio_samples += audio
        self.padding_samples += sum(one.samples for one in batch) - audio


class MicroBatcher:
    """Owns the queue and the threads, not the engine, which several of them call at once."""

    def __init__(self, recognizer: Recognizer, settings: EngineSettings, clock: Callable[[], int]) -> None:
        """``clock`` gives wall-clock milliseconds."""
        self._recognizer = recognizer
        self._batch_size = settings.batch_size
        self._clock = clock
        self._queue = BatchQueue(settings.queue_limit)
        self._done: deque[Completed] = deque()
        self._unfinished = 0
        self._counters = BatchCounters()
        self._closed = False
        self._changed = Condition()
        self._workers = [Thread(target=self._run, name="voxflow-batcher", daemon=True) for _ in range(settings.workers)]
        for worker in self._workers:
            worker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, request: InferenceRequest, deadline_ms: int | None = None) -> None:
        """Queues a request, wall-clock deadline by its kind unless given.

        Waits only where a final finds the queue full of finals. Raises EngineError after ``close``.
        """
        deadline = default_deadline_ms(request) if deadline_ms is None else deadline_ms
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._queue.has_room_for(request))
            if self._closed:
                raise EngineError(f"session {request.session_id}: the batcher is closed; make a new one")
            self._unfinished += 1
            self._enqueue(request, deadline)
            self._changed.notify_all()

    def drain(self) -> list[Completed]:
        """What has been completed since the last call; never waits."""
        with self._changed:
            return self._take_done()

    def wait(self, timeout_s: float) -> list[Completed]:
        """As ``drain``, but waits for something to be completed, unless nothing is under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._done or not self._unfinished or self._closed, timeout_s)
            return self._take_done()

    def counters(self) -> BatchCounters:
        with self._changed:
            shed = self._queue.shed
            return replace(
                self._counters,
                waiting=len(self._queue),
                replaced=shed[Shed.REPLACED],
                late=shed[Shed.LATE],
                crowded=shed[Shed.CROWDED],
            )

    def close(self) -> None:
        """Ends the threads after the batches at hand; what still waits is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _enqueue(self, request: InferenceRequest, deadline_ms: int) -> None:
        try:
            samples = self._recognizer.canonical_samples(len(request.audio) // 2)
        except ValueError as exc:
            now_ms = self._clock()
            self._counters.failed += 1
            self._complete([Completed(request, failed(request, exc, self._recognizer, now_ms, now_ms))])
        else:
            self._forget(self._queue.add(request, samples, deadline_ms, self._clock()))

    def _take_done(self) -> list[Completed]:
        done = list(self._done)
        self._done.clear()
        return done

    def _complete(self, completed: Sequence[Completed]) -> None:
        self._done.extend(completed)
        self._unfinished -= len(completed)

    def _forget(self, shed: Sequence[Waiting]) -> None:
        self._complete([Completed(one.request, None) for one in shed])

    def _run(self) -> None:
        while batch := self._next_batch():
            started_at_ms = self._clock()
            results = self._recognized([one.request for one in batch], started_at_ms)
            with self._changed:
                self._counters.add(batch, results, started_at_ms, self._clock())
                self._complete([Completed(one.request, result) for one, result in zip(batch, results, strict=True)])
                self._changed.notify_all()

    def _next_batch(self) -> list[Waiting]:
        """Waits for work; empty once closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closed or len(self._queue))
                if self._closed:
                    return []
                self._forget(self._queue.expired(self._clock()))
                batch = self._queue.next_batch(self._batch_size)
                self._changed.notify_all()
                if batch:
                    return batch

    def _recognized(self, requests: Sequence[InferenceRequest], started_at_ms: int) -> list[InferenceResult]:
        """The batch's results; where it fails, each member alone, and then what failed alone as an error."""
        try:
            hypotheses = self._hypotheses(requests)
        except Exception as exc:  # a bug in an engine must fail its requests, not end this thread in silence
            if len(requests) == 1:
                return [failed(requests[0], exc, self._recognizer, started_at_ms, self._clock())]
            return [result for one in requests for result in self._recognized([one], started_at_ms)]
        now_ms = self._clock()
        return [
            recognized(request, hypothesis, self._recognizer, started_at_ms, now_ms)
            for request, hypothesis in zip(requests, hypotheses, strict=True)
        ]

    def _hypotheses(self, requests: Sequence[InferenceRequest]) -> list[Hypothesis]:
        batch: list[Pcm] = [samples_of(request) for request in requests]
        hypotheses = self._recognizer.recognize(batch)
        if len(hypotheses) != len(batch):
            raise EngineError(f"{self._recognizer.name} gave {len(hypotheses)} texts for a batch of {len(batch)}")
        return hypotheses
