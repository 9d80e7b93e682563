"""What a view gives back: the texts of a session as they were stored, whichever view keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.types import Word


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """The text of one segment as a view keeps it; ``start_ms`` and ``end_ms`` are on the session's audio clock.

    ``stable_chars`` is the length of the text unless the segment is still open. ``error`` says why there is no text.
    """

    session_id: str
    tenant: str
    channel: int
    segment: int
    start_ms: int
    end_ms: int
    text: str
    revision: int = 0
    stable_chars: int = 0
    is_final: bool = True
    language: str | None = None
    degraded: bool = False
    error: str | None = None
    words: tuple[Word, ...] = ()


class SessionState(StrEnum):
    """Whether more text may come."""

    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as it can be read at one moment: its finals in the order of speech, then what is still being said.

    Names in ``_at_ms`` are wall-clock milliseconds since 1970 (UTC), None where they are not known. ``started_at_ms``
    is when the audio clock stood at 0. ``duration_ms`` is how far the session was heard, on the audio clock.
    """

    session_id: str
    tenant: str
    state: SessionState
    started_at_ms: int | None
    updated_at_ms: int | None
    ended_at_ms: int | None
    duration_ms: int
    finals: tuple[StoredSegment, ...]
    partials: tuple[StoredSegment, ...]


def in_order(segments: Iterable[StoredSegment]) -> tuple[StoredSegment, ...]:
    """By the time of speech; of two that start together, that of the lower channel first."""
    return tuple(sorted(segments, key=lambda one: (one.start_ms, one.channel, one.segment)))
