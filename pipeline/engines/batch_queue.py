"""What the engine should do next: the waiting requests and their order, pure, with time passed in.

Order: finals, then early finals, then partials; within a kind the earliest deadline, then the first come.
Batch: the first in that order, and as many others of its canonical length as there is room for. Nobody waits for a
batch to fill: what is there when the engine is free goes in.
Shedding: only partials. One goes when a newer one of its segment comes, when its deadline passes, and when the queue
is full.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pipeline.domain.types import InferenceRequest, RequestKind

GRACE_MS: Final[Mapping[RequestKind, int]] = {
    RequestKind.FINAL: 300,
    RequestKind.EARLY_FINAL: 300,
    RequestKind.PARTIAL: 1000,
}
"""From the request to its deadline. A partial that old tells a reader nothing that the next one will not."""


class Shed(StrEnum):
    """Why a partial was let go."""

    REPLACED = "replaced"
    LATE = "late"
    CROWDED = "crowded"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue. ``samples`` is its canonical length, ``order`` its place among all that ever came."""

    request: InferenceRequest
    samples: int
    deadline_ms: int
    submitted_at_ms: int
    order: int

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.request.kind, self.deadline_ms, self.order)

    @property
    def is_partial(self) -> bool:
        return self.request.kind is RequestKind.PARTIAL

    @property
    def voice(self) -> tuple[str, int, int]:
        """The segment it belongs to; a newer partial of the same one replaces it."""
        return (self.request.session_id, self.request.channel, self.request.segment)


def default_deadline_ms(request: InferenceRequest) -> int:
    return request.times.requested_at_ms + GRACE_MS[request.kind]


@dataclass(slots=True)
class BatchQueue:
    """The waiting requests. Every method that lets partials go returns them; ``shed`` counts them by reason."""

    limit: int
    shed: Counter[Shed] = field(default_factory=Counter)
    _waiting: list[Waiting] = field(default_factory=list)
    _came: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room_for(self, request: InferenceRequest) -> bool:
        """False only where a final finds the queue full of finals: then its sender has to wait."""
        if request.kind is RequestKind.PARTIAL or len(self) < self.limit:
            return True
        return any(waiting.is_partial for waiting in self._waiting)

    def add(self, request: InferenceRequest, samples: int, deadline_ms: int, now_ms: int) -> list[Waiting]:
        """Queues a request that there is room for; returns the partials that it displaced, itself maybe."""
        self._came += 1
        new = Waiting(request, samples, deadline_ms, now_ms, self._came)
        gone = self._replaced_by(new)
        self._waiting.append(new)
        if len(self) > self.limit:
            gone += self._let_go([self._least_urgent_partial()], Shed.CROWDED)
        return gone

    def expired(self, now_ms: int) -> list[Waiting]:
        """Takes out the partials whose deadline has passed."""
        return self._let_go([one for one in self._waiting if one.is_partial and one.deadline_ms < now_ms], Shed.LATE)

    def next_batch(self, size: int) -> list[Waiting]:
        """Takes out at most ``size`` requests of one canonical length, the most urgent first; empty if none waits."""
        ranked = sorted(self._waiting, key=lambda one: one.rank)
        batch = [one for one in ranked if one.samples == ranked[0].samples][:size]
        self._remove(batch)
        return batch

    def _replaced_by(self, new: Waiting) -> list[Waiting]:
        """Older partials of the segment; a final too makes them needless."""
        older = [one for one in self._waiting if one.is_partial and one.voice == new.voice]
        return self._let_go([one for one in older if one.request.revision < new.request.revision], Shed.REPLACED)

    def _least_urgent_partial(self) -> Waiting:
        return max((one for one in self._waiting if one.is_partial), key=lambda one: one.rank)

    def _let_go(self, gone: list[Waiting], why: Shed) -> list[Waiting]:
        self.shed[why] += len(gone)
        self._remove(gone)
        return gone

    def _remove(self, gone: list[Waiting]) -> None:
        orders = {one.order for one in gone}
        self._waiting = [one for one in self._waiting if one.order not in orders]
