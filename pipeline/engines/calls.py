"""The calls an engine is busy with, and which of them take too long; pure, with time passed in.

Nothing can end a thread that hangs. Such a call is abandoned: nobody waits for it any more, and its answer, should it
ever come, is thrown away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ
from pipeline.engines.batch_queue import Waiting
from pipeline.engines.drafts import Tokens

MS_PER_AUDIO_SECOND: Final = 500
"""What a second of a batch's audio, padding included, may add to the time a call has: many times what it takes."""

MOST_ABANDONED: Final = 4
"""Calls that may be out there at once without coming back; each holds a thread and the memory of an engine."""

STALL_MS: Final = 1_000
"""Where nobody looked for longer, the process stood still or the clock was set, and no call is to blame."""


class Role(Enum):
    """What a call is to the breaker: an ordinary one of the engine, its trial, or one of the fallback."""

    ORDINARY = auto()
    TRIAL = auto()
    FALLBACK = auto()


@dataclass(eq=False, slots=True)
class Call:
    """One batch at an engine, with its ``drafts`` if it has any.

    It is late after ``late_at_ms``, and abandoned where not answered by ``due_at_ms``.
    """

    batch: Sequence[Waiting]
    engine: Recognizer
    role: Role
    started_at_ms: int
    late_at_ms: int
    due_at_ms: int
    drafts: Sequence[Tokens] = ()


class Calls:
    """The calls that are waited for, and those that were abandoned and have not come back."""

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._running: set[Call] = set()
        self._abandoned: set[Call] = set()
        self._looked_at_ms = 0

    @property
    def abandoned(self) -> int:
        """How many are still out there, each with a thread of its own."""
        return len(self._abandoned)

    @property
    def running(self) -> int:
        """How many are waited for."""
        return len(self._running)

    @property
    def of_partials(self) -> int:
        """How many are waited for by nobody but partials."""
        return sum(call.batch[0].is_partial for call in self._running)

    def begin(
        self,
        batch: Sequence[Waiting],
        engine: Recognizer,
        now_ms: int,
        role: Role = Role.ORDINARY,
        drafts: Sequence[Tokens] = (),
    ) -> Call:
        samples = sum(one.samples for one in batch)
        allowed_ms = self._timeout_ms + samples * MS_PER_AUDIO_SECOND // SAMPLE_RATE_HZ
        call = Call(batch, engine, role, now_ms, now_ms + allowed_ms // 2, now_ms + allowed_ms, drafts)
        self._running.add(call)
        return call

    def end(self, call: Call) -> bool:
        """The call came back; whether anybody still waits for it."""
        self._abandoned.discard(call)
        wanted = call in self._running
        self._running.discard(call)
        return wanted

    def is_late(self, call: Call, now_ms: int) -> bool:
        """Whether an answer that comes now comes late; a long time in which nobody looked is not counted."""
        return min(now_ms, self._looked_at_ms + STALL_MS) > call.late_at_ms

    def overdue(self, now_ms: int) -> list[Call]:
        """Abandons the calls that have taken too long. Look often: a long time between two looks is not counted."""
        if now_ms - self._looked_at_ms > STALL_MS:
            for call in self._running:
                stood_still_ms = now_ms - max(self._looked_at_ms, call.started_at_ms)
                call.late_at_ms += stood_still_ms
                call.due_at_ms += stood_still_ms
        self._looked_at_ms = now_ms
        late = [call for call in self._running if call.due_at_ms < now_ms]
        self._running.difference_update(late)
        self._abandoned.update(late)
        return late
