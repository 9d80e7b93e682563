"""The life of every request from its submission to its completion, exactly once; pure, with time passed in.

A request is completed with its result, with a result that names an error, or, for a partial that was shed, with none.
What raises or hangs costs a request one of its attempts; then it goes to the engine again, alone: after a pause, or,
since it may have been the engine's fault, when there is another engine. A partial has one attempt only: it is answered
with its error, and the next partial of its segment takes its place.

Results come in the order in which they are ready, also within a session: its assembler puts finals in order and drops
partials that are older than one it has shown.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.domain.cadence import Load
from pipeline.domain.ports import Recognizer
from pipeline.domain.types import Hypothesis, InferenceRequest, InferenceResult
from pipeline.engines.base import EngineSettings
from pipeline.engines.batch_queue import BatchQueue, Shed, Waiting, default_deadline_ms
from pipeline.engines.calls import Call, Calls
from pipeline.engines.counters import BatchCounters
from pipeline.engines.drafts import Drafts
from pipeline.engines.load_meter import LoadMeter
from pipeline.engines.results import failed, recognized
from pipeline.engines.retries import NEVER_TRIED, Tries
from pipeline.errors import EngineError


@dataclass(frozen=True, slots=True)
class Completed:
    """A request that needs no more waiting for; ``result`` is None where it was a partial that was shed."""

    request: InferenceRequest
    result: InferenceResult | None


@dataclass(frozen=True, slots=True)
class Retried:
    """A request that has failed and will be tried again."""

    request: InferenceRequest
    tries: Tries


class Ledger:
    """Which requests wait, which are at the engine, which are done."""

    def __init__(self, settings: EngineSettings) -> None:
        self._attempts = settings.attempts
        self._batch_size = settings.batch_size
        self._queue = BatchQueue(settings.queue_limit)
        self._calls = Calls(settings.call_timeout_ms)
        self._drafts = Drafts()
        self._held: list[Waiting] = []  # until there is another engine
        self._done: defaultdict[int, list[Completed]] = defaultdict(list)
        self._retried: defaultdict[int, dict[int, Retried]] = defaultdict(dict)
        self._counters = BatchCounters()
        self._meter = LoadMeter(settings.workers)
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
            new = replace(new, samples=_canonical_samples(request, engine))
        except Exception as exc:  # another engine's bug must fail its requests, not the operator that submits them
            self._fail(new, exc, engine, now_ms, now_ms)
        else:
            self._forget(self._queue.add(new))

    def next_call(self, engine: Recognizer, now_ms: int) -> Call | None:
        """A batch for the engine, to be given to ``settle`` with its outcome; None where none is ready."""
        self._forget(self._queue.expired(now_ms))
        batch = self._queue.next_batch(self._batch_size, now_ms)
        if not batch:
            return None
        call = self._calls.begin(batch, engine, now_ms, self._drafts.of(batch))
        self._meter.note(self._calls.running, now_ms)
        return call

    def settle(self, call: Call, outcome: Sequence[Hypothesis] | Exception, now_ms: int) -> bool:
        """Takes a call's outcome; False where the call was abandoned, and its outcome is thrown away."""
        if not self._calls.end(call):
            return False
        self._meter.note(self._calls.running, now_ms)
        self._counters.add_batch(call.batch, call.started_at_ms, now_ms)
        if isinstance(outcome, Exception):
            self._try_again(call, outcome, now_ms, hung=False)
            return True
        self._drafts.learn(call.batch, outcome)
        for one, hypothesis in zip(call.batch, outcome, strict=True):
            result = recognized(one.request, hypothesis, call.engine, call.started_at_ms, now_ms)
            self._complete(one, result)
        return True

    def abandon_overdue(self, now_ms: int) -> list[Call]:
        """The calls that have just been found to take too long; ``resume`` has their requests tried again."""
        overdue = self._calls.overdue(now_ms)
        for call in overdue:
            self._counters.hangs += 1
            self._counters.add_batch(call.batch, call.started_at_ms, now_ms)
            allowed_ms = call.due_at_ms - call.started_at_ms
            error = EngineError(f"{call.engine.name} gave no answer within {allowed_ms} ms")
            for one in call.batch:
                self._forget(self._queue.distrust(one.voice))
            self._try_again(call, error, now_ms, hung=True)
        return overdue

    def resume(self, *, replaced: bool) -> None:
        """There is an engine other than the one that hung, ``replaced`` just now or before."""
        self._counters.engines_replaced += replaced
        for one in self._held:
            self._forget(self._queue.add(one))
        self._held.clear()

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
            waiting=len(self._queue) + len(self._held),
            abandoned=self.abandoned,
            replaced=shed[Shed.REPLACED],
            late=shed[Shed.LATE],
            crowded=shed[Shed.CROWDED],
            distrusted=shed[Shed.DISTRUSTED],
        )

    def _try_again(self, call: Call, error: Exception, now_ms: int, *, hung: bool) -> None:
        for one in call.batch:
            tries = one.tries.after(hung=hung)
            if one.is_partial or tries.are_spent(self._attempts):
                self._fail(one, error, call.engine, call.started_at_ms, now_ms)
                continue
            self._counters.retried += 1
            self._retried[one.lane][one.order] = Retried(one.request, tries)
            if hung:
                self._held.append(replace(one, tries=tries))
            else:
                self._forget(self._queue.add(replace(one, tries=tries, ready_at_ms=now_ms + tries.pause_ms())))

    def _fail(self, one: Waiting, error: Exception, engine: Recognizer, started_at_ms: int, now_ms: int) -> None:
        self._counters.failed += 1
        self._complete(one, failed(one.request, error, engine, started_at_ms, now_ms))

    def _forget(self, shed: Sequence[Waiting]) -> None:
        for one in shed:
            self._complete(one, None)

    def _complete(self, one: Waiting, result: InferenceResult | None) -> None:
        self._unfinished -= 1
        self._retried[one.lane].pop(one.order, None)
        self._done[one.lane].append(Completed(one.request, result))


def _canonical_samples(request: InferenceRequest, engine: Recognizer) -> int:
    """Raises ValueError where the audio is too long for the engine, EngineError where the engine talks nonsense."""
    samples = len(request.audio) // 2
    canonical = engine.canonical_samples(samples)
    if not isinstance(canonical, int) or canonical < samples:
        raise EngineError(f"{engine.name} gave {canonical!r} as the canonical length of {samples} samples")
    return canonical
