"""When the engine is left alone for a while and the fallback answers in its place; pure, with time passed in.

    closed     the engine takes every call
    open       the fallback answers; the engine rests for a pause, which doubles each time a trial fails
    half-open  the pause is over: one call, the trial, goes to the engine, and what becomes of it decides

It opens when OPENS_AT calls in a row failed, or most of the last LOOKED_AT, and only where at least two segments were
in them: a stretch that no engine can bear fails again and again, and must not cost other sessions their engine.
"""

from collections import deque
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pipeline.engines.batch_queue import Voice

OPENS_AT: Final = 5
"""The weight of failures in a row that opens it."""

LOOKED_AT: Final = 20
"""Calls whose outcomes are remembered..."""

MOST: Final = 12
"""...and the weight of failures among them that opens it, in a row or not. An engine that fails on three calls in ten,
each by chance, reaches it in one of 200 stretches of 20; repeated attempts serve there."""

LEAST_VOICES: Final = 2

LONGEST_PAUSE_MS: Final = 60_000


class Weight(IntEnum):
    """How much an outcome counts against the engine; a late answer is a failure. A call that hangs costs seconds and an
    engine: two of them are enough."""

    FINE = 0
    FAILED = 1
    HUNG = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call, and the segments that were in it."""

    weight: int
    voices: frozenset[Voice]


class Breaker:
    """Counts the engine's failures. Trials are the caller's: it asks ``wants_trial`` and says ``begin_trial``."""

    def __init__(self, pause_ms: int) -> None:
        self._first_pause_ms = pause_ms
        self._pause_ms = pause_ms
        self._outcomes: deque[Outcome] = deque(maxlen=LOOKED_AT)
        self._tries_at_ms: int | None = None  # None while closed
        self._on_trial = False
        self.opened = 0

    @property
    def is_closed(self) -> bool:
        return self._tries_at_ms is None

    def wants_trial(self, now_ms: int) -> bool:
        """Whether one call should go to the engine, though it is open."""
        return self._tries_at_ms is not None and not self._on_trial and now_ms >= self._tries_at_ms

    def begin_trial(self) -> None:
        self._on_trial = True

    def end_trial(self, weight: Weight, now_ms: int) -> None:
        """The trial's outcome: closed, or open for twice as long."""
        self._on_trial = False
        if weight is Weight.FINE:
            self._close()
        else:
            self._pause_ms = min(LONGEST_PAUSE_MS, 2 * self._pause_ms)
            self._tries_at_ms = now_ms + self._pause_ms

    def record(self, weight: Weight, voices: Iterable[Voice], now_ms: int) -> bool:
        """The outcome of a call that was no trial; True where it has just opened. While open, nothing is learnt from
        calls that began before: they tell of the time that opened it."""
        if not self.is_closed:
            return False
        self._outcomes.append(Outcome(weight, frozenset(voices)))
        if weight is Weight.FINE or not _are_too_many(self._outcomes):
            return False
        self._tries_at_ms = now_ms + self._pause_ms
        self.opened += 1
        return True

    def _close(self) -> None:
        self._tries_at_ms = None
        self._pause_ms = self._first_pause_ms
        self._outcomes.clear()


def _are_too_many(outcomes: Iterable[Outcome]) -> bool:
    recent = list(outcomes)
    return _weigh(recent, MOST) or _weigh(_failed_last(recent), OPENS_AT)


def _weigh(outcomes: list[Outcome], limit: int) -> bool:
    voices: Set[Voice] = frozenset().union(*(one.voices for one in outcomes if one.weight))
    return sum(one.weight for one in outcomes) >= limit and len(voices) >= LEAST_VOICES


def _failed_last(outcomes: list[Outcome]) -> list[Outcome]:
    """Those since the last one that was fine."""
    last_fine = max((at for at, one in enumerate(outcomes) if not one.weight), default=-1)
    return outcomes[last_fine + 1 :]
