"""The life of every request from its submission to its completion, exactly once; pure, with time passed in.

A request is completed with its result, with a result that names an error, or, for a partial that was shed, with none.
What raises or hangs costs a request one of its attempts; then it goes to the engine again, alone: after a pause, or,
since it may have been the engine's fault, when there is another engine. A partial has one attempt only: it is answered
with its error, and the next partial of its segment takes its place. Where there is a fallback, it takes what the
engine cannot (routing.py), and its answers are ``degraded``.

Results come in the order in which they are ready, also within a session: its assembler puts finals in order and drops
partials that are older than one it has shown.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from pipeline.domain.cadence import Load
from pipeline.domain.ports import Recognizer
from pipeline.domain.types import Hypothesis, InferenceRequest, InferenceResult
from pipeline.engines.base import EngineSettings
from pipeline.engines.batch_queue import BatchQueue, Shed, Waiting, default_deadline_ms
from pipeline.engines.breaker import Weight
from pipeline.engines.calls import MOST_ABANDONED, Call, Calls, Role
from pipeline.engines.completed import Completed, Retried
from pipeline.engines.counters import BatchCounters
from pipeline.engines.drafts import Drafts
from pipeline.engines.load_meter import LoadMeter
from pipeline.engines.results import canonical_samples, failed, recognized
from pipeline.engines.retries import NEVER_TRIED, Tries
from pipeline.engines.routing import Router
from pipeline.errors import EngineError


class Ledger:
    """Which requests wait, which are at the engine, which are done."""

    def __init__(self, settings: EngineSettings, *, has_fallback: bool = False) -> None:
        self._router = Router(settings, has_fallback=has_fallback)
        self._queue = BatchQueue(settings.queue_limit)
        self._calls = Calls(settings.call_timeout_ms)
        self._drafts = Drafts()
        self._held: defaultdict[bool, list[Waiting]] = defaultdict(list)  # for another engine, or another fallback
        self._done: defaultdict[int, list[Completed]] = defaultdict(list)
        self._retried: defaultdict[int, dict[int, Retried]] = defaultdict(dict)
        self._counters = BatchCounters()
        self._meter = LoadMeter(settings.workers)
        self._most_for_partials = max(1, settings.workers - 1)
        self._unfinished = 0

    @property
    def unfinished(self) -> int:
        """Requests that are not completed."""
        return self._unfinished

    @property
    def abandoned(self) -> int:
        """Calls that were given up and have not come back."""
        return self._calls.abandoned

    def has_room_for(self, request: InferenceRequest) -> bool:
        """False where its sender has to wait: a final, in a queue that is full of finals."""
        return self._queue.has_room_for(request)

    def is_done(self, lane: int) -> bool:
        """Whether there is something to drain."""
        return bool(self._done.get(lane))

    def is_ready(self, now_ms: int) -> bool:
        """Whether there is a batch to take."""
        return self._queue.is_ready(now_ms)

    def submit(
        self, request: InferenceRequest, engine: Recognizer, now_ms: int, *, lane: int = 0, tries: Tries = NEVER_TRIED
    ) -> None:
        """Takes a request that there is room for. ``lane``: who will ask for its result; ``tries``: those before."""
        new = Waiting(request, 0, default_deadline_ms(request), now_ms, self._counters.submitted, lane, tries)
        self._counters.submitted += 1
        self._counters.partials += new.is_partial
        self._unfinished += 1
        try:
            new = replace(new, samples=canonical_samples(request, engine))
        except Exception as exc:  # another engine's bug must fail its requests, not the operator that submits them
            self._fail(new, exc, engine, now_ms, now_ms)
        else:
            self._forget(self._queue.add(new))

    def next_call(self, engine: Recognizer, now_ms: int, fallback: Recognizer | None = None) -> Call | None:
        """A batch for one of them, to be given to ``settle`` with its outcome; None where none is ready."""
        self._forget(self._queue.expired(now_ms))
        may_try = self.abandoned < MOST_ABANDONED  # another hang would end the process, which the fallback keeps going
        if not self._router.serves_partials(now_ms, may_try=may_try):
            self._forget(self._queue.drop_partials())
        # Whoever takes a partial cannot be called back when a final comes: somebody stays free for it.
        urgent_only = self._calls.of_partials >= self._most_for_partials
        batch, role = self._router.next_batch(self._queue, now_ms, may_try=may_try, urgent_only=urgent_only)
        if not batch:
            return None
        chosen = fallback if fallback is not None and role is Role.FALLBACK else engine
        drafts = self._drafts.of(batch) if chosen is engine else ()
        call = self._calls.begin(batch, chosen, now_ms, role, drafts)
        self._meter.note(self._calls.running, now_ms)
        return call

    def settle(self, call: Call, outcome: Sequence[Hypothesis] | Exception, now_ms: int) -> bool:
        """Takes a call's outcome; False where the call was abandoned, and its outcome is thrown away."""
        if not self._calls.end(call):
            return False
        self._count(call, now_ms)
        has_failed = isinstance(outcome, Exception) or self._calls.is_late(call, now_ms)
        self._learn(call, Weight.FAILED if has_failed else Weight.FINE, now_ms)
        if isinstance(outcome, Exception):
            self._try_again(call, outcome, now_ms, hung=False)
        else:
            self._answer(call, outcome, now_ms)
        return True

    def abandon_overdue(self, now_ms: int) -> list[Call]:
        """The calls that have just been found to take too long; ``resume`` has their requests tried again."""
        overdue = self._calls.overdue(now_ms)
        for call in overdue:
            self._counters.hangs += 1
            self._count(call, now_ms)
            self._learn(call, Weight.HUNG, now_ms)
            allowed_ms = call.due_at_ms - call.started_at_ms
            error = EngineError(f"{call.engine.name} gave no answer within {allowed_ms} ms")
            for one in call.batch:
                self._forget(self._queue.distrust(one.voice))
            self._try_again(call, error, now_ms, hung=True)
        return overdue

    def resume(self, *, replaced: bool, of_fallback: bool = False) -> None:
        """There is an engine other than the one that hung, or another fallback, ``replaced`` just now or before."""
        self._counters.engines_replaced += replaced
        self._release(of_fallback=of_fallback)

    def drain(self, lane: int) -> list[Completed]:
        """What has been completed of the lane since the last call."""
        return self._done.pop(lane, [])

    def retried(self, lane: int) -> list[Retried]:
        """What has failed of the lane since the last call, and is not completed; only finals and early finals are."""
        return list(self._retried.pop(lane, {}).values())

    def load(self, now_ms: int) -> Load:
        """How busy the engines are."""
        return self._meter.load(self._queue.urgent_wait_ms(now_ms), now_ms)

    def counters(self) -> BatchCounters:
        shed = self._queue.shed
        return replace(
            self._counters,
            waiting=len(self._queue) + sum(map(len, self._held.values())),
            abandoned=self.abandoned,
            replaced=shed[Shed.REPLACED],
            late=shed[Shed.LATE],
            crowded=shed[Shed.CROWDED],
            distrusted=shed[Shed.DISTRUSTED],
            degraded=shed[Shed.DEGRADED],
            breaker_opened=self._router.opened,
            breaker_open=int(self._router.is_open),
        )

    def _count(self, call: Call, now_ms: int) -> None:
        self._meter.note(self._calls.running, now_ms)
        self._counters.add_batch(call.batch, call.started_at_ms, now_ms)
        self._counters.fallback_calls += call.role is Role.FALLBACK

    def _learn(self, call: Call, weight: Weight, now_ms: int) -> None:
        """What waits for another engine need not do so any more where the breaker opens."""
        if self._router.learn(call, weight, now_ms):
            self._release(of_fallback=False)

    def _answer(self, call: Call, hypotheses: Sequence[Hypothesis], now_ms: int) -> None:
        degraded = call.role is Role.FALLBACK
        self._drafts.learn(call.batch, hypotheses)
        self._counters.fallback_answers += len(call.batch) if degraded else 0
        for one, hypothesis in zip(call.batch, hypotheses, strict=True):
            result = recognized(one.request, hypothesis, call.engine, call.started_at_ms, now_ms, degraded=degraded)
            self._complete(one, result)

    def _release(self, *, of_fallback: bool) -> None:
        for one in self._held.pop(of_fallback, []):
            self._forget(self._queue.add(one))

    def _try_again(self, call: Call, error: Exception, now_ms: int, *, hung: bool) -> None:
        by_fallback = call.role is Role.FALLBACK
        for one in call.batch:
            tries = one.tries.after(hung=hung, fallback=by_fallback)
            if one.is_partial or self._router.gives_up(tries):
                self._fail(one, error, call.engine, call.started_at_ms, now_ms, degraded=by_fallback)
                continue
            self._counters.retried += 1
            self._retried[one.lane][one.order] = Retried(one.request, tries)
            if hung and (by_fallback or not self._router.goes_to_fallback(tries)):
                self._held[by_fallback].append(replace(one, tries=tries))
            else:
                self._forget(self._queue.add(replace(one, tries=tries, ready_at_ms=now_ms + tries.pause_ms())))

    def _fail(
        self,
        one: Waiting,
        error: Exception,
        engine: Recognizer,
        started_at_ms: int,
        now_ms: int,
        *,
        degraded: bool = False,
    ) -> None:
        self._counters.failed += 1
        self._complete(one, failed(one.request, error, engine, started_at_ms, now_ms, degraded=degraded))

    def _forget(self, shed: Sequence[Waiting]) -> None:
        for one in shed:
            self._complete(one, None)

    def _complete(self, one: Waiting, result: InferenceResult | None) -> None:
        self._unfinished -= 1
        self._retried[one.lane].pop(one.order, None)
        self._done[one.lane].append(Completed(one.request, result))
