"""When each chunk leaves: as a microphone would have sent it, or as fast as it can go.

Every moment is computed from the start, never from the moment before, so late wake-ups do not add up to a drift.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.types import AudioChunk


class Pace(StrEnum):
    """``REALTIME``: a chunk leaves when its last sample would have been captured. ``FAST``: at once."""

    REALTIME = "realtime"
    FAST = "fast"


@dataclass(frozen=True, slots=True)
class Start:
    """One moment on two clocks: the wall's, in milliseconds since 1970, and a monotonic one, in seconds."""

    at_ms: int
    monotonic_s: float


def due_s(start: Start, chunk: AudioChunk, chunk_ms: int) -> float:
    """When the chunk's last sample would have been captured, on the monotonic clock."""
    return start.monotonic_s + (chunk.captured_at_ms + chunk_ms - start.at_ms) / 1000


def merged(sessions: Iterable[Iterator[AudioChunk]]) -> Iterator[AudioChunk]:
    """The chunks of all sessions in the order of their audio, so that none gets ahead of the others."""
    return heapq.merge(*sessions, key=lambda chunk: chunk.captured_at_ms)


def paced(
    chunks: Iterable[AudioChunk],
    start: Start,
    chunk_ms: int,
    monotonic_s: Callable[[], float],
    sleep: Callable[[float], object],
) -> Iterator[AudioChunk]:
    """The chunks, each no sooner than it is due. One that is late leaves at once, and the next is on time again."""
    for chunk in chunks:
        early_s = due_s(start, chunk, chunk_ms) - monotonic_s()
        if early_s > 0:
            sleep(early_s)
        yield chunk
