"""What networks and producers do to the chunks of a session: repeat, shuffle and lose them. Pure, and repeatable."""

from random import Random
from typing import Final

from tests.chaos.speech import CHUNK_MS, Stream

WINDOW_CHUNKS: Final = 3
DROPPED_OF: Final = 50
RESENT_CHUNKS: Final = 10


def doubled(stream: Stream) -> Stream:
    """Every chunk twice."""
    return tuple(chunk for chunk in stream for _ in range(2))


def shuffled(stream: Stream) -> Stream:
    """Out of order within windows of three, each window in a way of its own."""
    random = Random(WINDOW_CHUNKS)
    windows = [list(stream[first : first + WINDOW_CHUNKS]) for first in range(0, len(stream), WINDOW_CHUNKS)]
    for window in windows:
        random.shuffle(window)
    return tuple(chunk for window in windows for chunk in window)


def dropped(stream: Stream) -> Stream:
    """One chunk of fifty missing; the first and the last, which begin and end the session, never are."""
    return tuple(chunk for chunk in stream if chunk.end_of_stream or chunk.seq % DROPPED_OF != DROPPED_OF // 2)


def resent(stream: Stream) -> Stream:
    """A producer that lost its connection in the middle goes on with the last ten chunks once more."""
    middle = len(stream) // 2
    return stream[:middle] + stream[max(0, middle - RESENT_CHUNKS) :]


def audio_ms(stream: Stream) -> int:
    """How much audio is in the chunks, each counted once; files of whole chunks make all of them CHUNK_MS long."""
    return len({chunk.seq for chunk in stream}) * CHUNK_MS
