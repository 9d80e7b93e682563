"""What the engine should do next: the waiting requests and their order, pure, with time passed in.

Order: finals, then early finals, then partials; within a kind the earliest deadline, then the first come.
Batch: the first in that order, and as many others of its canonical length as there is room for. Nobody waits for a
batch to fill: what is there when the engine is free goes in. A request that has failed rests until its pause is over
and then goes alone, since it may be what its batch failed of.
Shedding: only partials. One goes when a newer one of its segment comes, when its deadline passes, when the queue is
full, when a call with its segment in it has hung (every one of them might hang again), and while only the fallback
answers, whose time is for finals.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

from pipeline.domain.types import InferenceRequest, RequestKind
from pipeline.engines.retries import NEVER_TRIED, Tries

GRACE_MS: Final[Mapping[RequestKind, int]] = {
    RequestKind.FINAL: 300,
    RequestKind.EARLY_FINAL: 300,
    RequestKind.PARTIAL: 1000,
}
"""From the request to its deadline. A partial that old tells a reader nothing that the next one will not."""

MOST_DISTRUSTED: Final = 256
"""Segments that are distrusted at once, the latest ones: each needs it for half a minute at most."""

Rank = tuple[int, int, int]
"""Kind, deadline, order: the lower, the sooner."""

Voice = tuple[str, int, int]
"""Session, channel, segment."""


class Shed(StrEnum):
    """Why a partial was let go."""

    REPLACED = "replaced"
    LATE = "late"
    CROWDED = "crowded"
    DISTRUSTED = "distrusted"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue. ``samples`` is its canonical length, ``order`` its place among all that ever came.

    ``lane`` is whose request it is, ``tries`` how it failed so far; it may not be taken before ``ready_at_ms``.
    """

    request: InferenceRequest
    samples: int
    deadline_ms: int
    submitted_at_ms: int
    order: int
    lane: int = 0
    tries: Tries = NEVER_TRIED
    ready_at_ms: int = 0

    @property
    def rank(self) -> Rank:
        return (self.request.kind, self.deadline_ms, self.order)

    @property
    def is_partial(self) -> bool:
        return self.request.kind is RequestKind.PARTIAL

    @property
    def goes_alone(self) -> bool:
        return self.tries.total > 0

    @property
    def voice(self) -> Voice:
        """The segment it belongs to; a newer partial of the same one replaces it."""
        return (self.request.session_id, self.request.channel, self.request.segment)


def default_deadline_ms(request: InferenceRequest) -> int:
    return request.times.requested_at_ms + GRACE_MS[request.kind]


@dataclass(slots=True)
class BatchQueue:
    """The waiting requests. Every method that lets partials go returns them; ``shed`` counts them by reason.

    The limit is for what comes in: requests that failed come back in any case, at most one batch of each worker.
    """

    limit: int
    shed: Counter[Shed] = field(default_factory=Counter)
    _ranked: list[Waiting] = field(default_factory=list)  # the most urgent first; so partials are at the end
    _partials: dict[Voice, Waiting] = field(default_factory=dict)  # one is enough
    _distrusted: dict[Voice, None] = field(default_factory=dict)  # the latest last

    def __len__(self) -> int:
        return len(self._ranked)

    def has_room_for(self, request: InferenceRequest) -> bool:
        """False only where a final finds the queue full of finals: then its sender has to wait."""
        return request.kind is RequestKind.PARTIAL or len(self) < self.limit or self._ranked[-1].is_partial

    def urgent_wait_ms(self, now_ms: int) -> int:
        """How long the most urgent request has waited; 0 where it is a partial, or there is none."""
        first = next(iter(self._ranked), None)
        return 0 if first is None or first.is_partial else now_ms - first.submitted_at_ms

    def is_ready(self, now_ms: int) -> bool:
        """Whether there is a batch to take."""
        return any(one.ready_at_ms <= now_ms for one in self._ranked)

    def add(self, new: Waiting) -> list[Waiting]:
        """Queues a request that there is room for; returns the partials that it displaced, itself maybe."""
        if new.is_partial and new.voice in self._distrusted:
            self.shed[Shed.DISTRUSTED] += 1
            return [new]
        older = self._partials.get(new.voice)
        gone: list[Waiting] = []
        if older is not None and older.request.revision < new.request.revision:
            gone += self._let_go([older], Shed.REPLACED)
        elif older is not None and new.is_partial:
            self.shed[Shed.REPLACED] += 1
            return [new]
        self._insert(new)
        while len(self) > self.limit and self._ranked[-1].is_partial:
            gone += self._let_go([self._ranked[-1]], Shed.CROWDED)
        return gone

    def distrust(self, voice: Voice) -> list[Waiting]:
        """Takes no more partials of the segment; returns the one that waits."""
        self._distrusted[voice] = None
        if len(self._distrusted) > MOST_DISTRUSTED:
            del self._distrusted[next(iter(self._distrusted))]
        return self._let_go([self._partials[voice]], Shed.DISTRUSTED) if voice in self._partials else []

    def expired(self, now_ms: int) -> list[Waiting]:
        """Takes out the partials whose deadline has passed."""
        return self._let_go(self._ranked[self._place((RequestKind.PARTIAL,)) : self._place(_due(now_ms))], Shed.LATE)

    def drop_partials(self) -> list[Waiting]:
        """Takes out all of them."""
        return self._let_go(self._ranked[self._place((RequestKind.PARTIAL,)) :], Shed.DEGRADED)

    def next_trial(self, now_ms: int) -> list[Waiting]:
        """Takes out the request that is spared most easily: a partial, else the most urgent one that is ready."""
        if self._ranked and self._ranked[-1].is_partial:
            spared = [self._ranked[-1]]
            self._remove(spared)
            return spared
        return self.next_batch(1, now_ms)

    def next_batch(self, size: int, now_ms: int, *, urgent_only: bool = False) -> list[Waiting]:
        """Takes out at most ``size`` requests of one canonical length, the most urgent first; none if none is ready.

        ``urgent_only``: no batch that is of partials alone.
        """
        ready = (one for one in self._ranked if one.ready_at_ms <= now_ms)
        first = next(ready, None)
        if first is None or (urgent_only and first.is_partial):
            return []
        fitting = (one for one in ready if one.samples == first.samples and not one.goes_alone)
        batch = [first, *islice(fitting, 0 if first.goes_alone else size - 1)]
        self._remove(batch)
        return batch

    def _insert(self, new: Waiting) -> None:
        self._ranked.insert(self._place(new.rank), new)
        if new.is_partial:
            self._partials[new.voice] = new

    def _let_go(self, gone: list[Waiting], why: Shed) -> list[Waiting]:
        self.shed[why] += len(gone)
        self._remove(gone)
        return gone

    def _remove(self, gone: Sequence[Waiting]) -> None:
        for one in gone:
            del self._ranked[self._place(one.rank)]
            if one.is_partial:
                del self._partials[one.voice]

    def _place(self, rank: tuple[int, ...]) -> int:
        """Where in the order the rank is, or would be."""
        return bisect_left(self._ranked, rank, key=lambda one: one.rank)


def _due(now_ms: int) -> tuple[int, int]:
    """Below this are the ranks of partials whose deadline was before ``now_ms``."""
    return (RequestKind.PARTIAL, now_ms)
