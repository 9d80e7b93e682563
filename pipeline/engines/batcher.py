"""The micro-batcher: threads that feed the engine from one queue, for callers that must not wait for it.

The caller submits requests and later drains what has been completed, from a timer or in a blocking wait. What becomes
of a request is decided in ``ledger.py``; here are the threads, the lock around it, and the engine.

Time passes when the caller looks (drains, waits, or submits to a full queue): that is when pauses end and calls that
take too long are abandoned. An abandoned call keeps its thread and its engine until it comes back by itself; a new
thread loads another engine, while the others go on with the old one, and then serves in its place.

There may be a second engine, the fallback: which of them takes a batch is decided in ``routing.py``.
"""

from collections.abc import Callable, Sequence
from threading import Condition, Thread, current_thread
from time import monotonic
from typing import Final, Self

from pipeline.domain.cadence import Load
from pipeline.domain.ports import Recognizer
from pipeline.domain.types import Hypothesis, InferenceRequest, Pcm
from pipeline.engines.answers import checked
from pipeline.engines.base import EngineSettings
from pipeline.engines.calls import MOST_ABANDONED, Call, Role
from pipeline.engines.completed import Completed, Retried
from pipeline.engines.counters import BatchCounters
from pipeline.engines.engine_slot import EngineSlot
from pipeline.engines.ledger import Ledger
from pipeline.engines.results import samples_of
from pipeline.engines.retries import NEVER_TRIED, Tries
from pipeline.errors import EngineError, EngineStuck

LOAD_TIMEOUT_MS: Final = 120_000
"""From the hang to the end of its replacement's warm-up."""

THREAD_NAME: Final = "voxflow-batcher"
CLOSE_PATIENCE_S: Final = 5.0
LOOK_S: Final = 0.02
"""How often a caller that waits looks at the clock."""


class MicroBatcher:
    """Owns the queue, the threads, and the engine and its fallback, which several threads call at once.

    What looks at the clock raises EngineStuck once no engine can be had in the place of those that hang: the process
    must be restarted, and nothing that was submitted is answered with an error for it.
    """

    def __init__(
        self,
        load: Callable[[], Recognizer],
        settings: EngineSettings,
        clock: Callable[[], int],
        load_fallback: Callable[[], Recognizer] | None = None,
    ) -> None:
        """``load`` gives an engine that is ready to run, again after a hang; so does ``load_fallback``, where there is
        one. ``clock``: wall-clock milliseconds."""
        self._engine = EngineSlot(load)
        self._fallback = None if load_fallback is None else EngineSlot(load_fallback)
        self._clock = clock
        self._ledger = Ledger(settings, has_fallback=load_fallback is not None)
        self._workers: dict[Thread, Call | None] = {}  # what each is busy with; those that hang are forgotten
        self._loads: dict[Thread, int] = {}  # when each is to be done
        self._stuck: EngineStuck | None = None
        self._closed = False
        self._changed = Condition()
        for _ in range(settings.workers):
            self._start(Thread(target=self._work, name=THREAD_NAME, daemon=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, request: InferenceRequest, *, lane: int = 0, tries: Tries = NEVER_TRIED) -> None:
        """Queues a request, whose result ``drain(lane)`` will give; ``tries`` is what became of it in an earlier life.

        Waits only where a final finds the queue full of finals. Raises EngineError after ``close``.
        """
        with self._changed:
            self._wait_until(lambda: self._closed or self._ledger.has_room_for(request))
            if self._closed:
                raise EngineError(f"session {request.session_id}: the batcher is closed; make a new one")
            self._ledger.submit(request, self._engine.current, self._clock(), lane=lane, tries=tries)
            self._changed.notify_all()

    def drain(self, lane: int = 0) -> list[Completed]:
        """What has been completed of the lane since the last call; never waits."""
        with self._changed:
            self._look()
            return self._ledger.drain(lane)

    def wait(self, timeout_s: float, lane: int = 0) -> list[Completed]:
        """As ``drain``, but waits for something to be completed, unless nothing is under way."""
        with self._changed:
            self._wait_until(
                lambda: self._ledger.is_done(lane) or not self._ledger.unfinished or self._closed, timeout_s
            )
            return self._ledger.drain(lane)

    def retried(self, lane: int = 0) -> list[Retried]:
        """What has failed of the lane since the last call and will be tried again."""
        with self._changed:
            return self._ledger.retried(lane)

    def load(self) -> Load:
        """How busy the engines are."""
        with self._changed:
            return self._ledger.load(self._clock())

    def counters(self) -> BatchCounters:
        with self._changed:
            return self._ledger.counters()

    def close(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """Ends the threads after the batches at hand, those that hang after the patience; drops what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            workers = list(self._workers)
        give_up_s = monotonic() + patience_s
        for worker in workers:
            worker.join(max(0.0, give_up_s - monotonic()))

    def _start(self, worker: Thread) -> None:
        self._workers[worker] = None
        worker.start()

    def _wait_until(self, ready: Callable[[], bool], timeout_s: float | None = None) -> None:
        """As Condition.wait_for, but looks at the clock meanwhile."""
        give_up_s = None if timeout_s is None else monotonic() + timeout_s
        self._look()
        while not ready() and (give_up_s is None or monotonic() < give_up_s):
            self._changed.wait(LOOK_S)
            self._look()

    def _look(self) -> None:
        """Does what time has made necessary. Raises EngineStuck."""
        now_ms = self._clock()
        for call in self._ledger.abandon_overdue(now_ms):
            self._replace(call, now_ms)
        if any(due_at_ms < now_ms for due_at_ms in self._loads.values()):
            self._give_up(EngineStuck(f"an engine was not loaded within {LOAD_TIMEOUT_MS} ms; restart the process"))
        if self._stuck is not None:
            raise self._stuck
        if self._ledger.is_ready(now_ms):
            self._changed.notify_all()

    def _replace(self, call: Call, now_ms: int) -> None:
        """Has a new thread take the place of the one that hangs, unless too many hang."""
        self._workers = {worker: busy for worker, busy in self._workers.items() if busy is not call}
        if self._ledger.abandoned > MOST_ABANDONED:
            name = call.engine.name
            self._give_up(EngineStuck(f"{self._ledger.abandoned} calls of {name} never came back; restart the process"))
            return
        successor = Thread(target=self._work, args=(call,), name=THREAD_NAME, daemon=True)
        self._loads[successor] = now_ms + LOAD_TIMEOUT_MS
        self._start(successor)

    def _give_up(self, why: EngineStuck) -> None:
        self._stuck = self._stuck or why

    def _work(self, hung: Call | None = None) -> None:
        """A worker's life: where it succeeds one that hung, it first sees to another engine."""
        if hung is None or self._has_replaced(hung):
            self._serve()
        with self._changed:
            self._workers.pop(current_thread(), None)

    def _has_replaced(self, hung: Call) -> bool:
        slot = self._fallback if self._fallback is not None and hung.role is Role.FALLBACK else self._engine
        try:
            loaded = slot.replace(hung.engine)
        except Exception as exc:  # whatever it is, the caller's thread must hear of it
            with self._changed:
                self._give_up(EngineStuck(f"{hung.engine.name} hung, and no other could be loaded: {exc!r}"))
            return False
        with self._changed:
            del self._loads[current_thread()]
            self._ledger.resume(replaced=loaded, of_fallback=slot is self._fallback)
        return True

    def _serve(self) -> None:
        """Runs one batch after the other until the batcher is closed, or its own call has been abandoned."""
        while (call := self._next_call()) is not None:
            outcome = _outcome(call)
            with self._changed:
                if not self._ledger.settle(call, outcome, self._clock()):
                    return
                self._changed.notify_all()

    def _next_call(self) -> Call | None:
        """Waits for work; None once closed."""
        with self._changed:
            while not self._closed:
                fallback = None if self._fallback is None else self._fallback.current
                call = self._ledger.next_call(self._engine.current, self._clock(), fallback)
                if call is not None:
                    self._workers[current_thread()] = call
                    self._changed.notify_all()  # there is room for others
                    return call
                self._changed.wait()
            return None


def _outcome(call: Call) -> Sequence[Hypothesis] | Exception:
    """The batch's hypotheses, or what went wrong."""
    try:
        batch: list[Pcm] = [samples_of(one.request) for one in call.batch]
        answer = call.engine.recognize(batch, call.drafts) if call.drafts else call.engine.recognize(batch)
        return checked(answer, len(batch), call.engine.name)
    except Exception as exc:  # a bug in an engine must fail its requests, not end this thread in silence
        return exc
