"""Sequence numbers: chunks come out in order, each once; what stays away is reported as missing.

A producer that reconnects sends its last chunks again, and networks shuffle. A chunk that comes early is held until
the ones before it arrive, or until so much later audio has come (or, at the end of a stream, so much time has
passed) that they are given up. How long to wait is measured on the producer's own clock (``captured_at_ms``), so
that a job that reads the same records again after a crash decides the same.
"""

from collections import deque
from dataclasses import dataclass

from pipeline.domain.types import Received
from pipeline.errors import OutOfSequence

REMEMBERED_GAPS = 32
MIN_CHUNK_MS = 20


@dataclass(frozen=True, slots=True)
class OrderingSettings:
    """``max_wait_ms`` of later audio is held back for a missing chunk; a jump past ``max_jump_chunks`` is refused."""

    max_wait_ms: int = 400
    max_jump_chunks: int = 36_000


@dataclass(frozen=True, slots=True)
class Missing:
    """``count`` chunks from ``first_seq`` on were given up."""

    first_seq: int
    count: int


@dataclass(frozen=True, slots=True)
class OrderingState:
    """What a snapshot keeps: the next number, the newest capture time, gaps given up, and the chunks held back."""

    expected_seq: int
    newest_captured_at_ms: int
    gaps: tuple[tuple[int, int], ...]
    held: tuple[Received, ...]


class Ordering:
    """The order of one session's chunks."""

    def __init__(self, settings: OrderingSettings, state: OrderingState | None = None) -> None:
        self._settings = settings
        self._expected = state.expected_seq if state else 0
        self._newest_captured_at_ms = state.newest_captured_at_ms if state else -1
        self._gaps: deque[tuple[int, int]] = deque(state.gaps if state else (), maxlen=REMEMBERED_GAPS)
        self._held: dict[int, Received] = {item.chunk.seq: item for item in state.held} if state else {}

    @property
    def expected_seq(self) -> int:
        return self._expected

    @property
    def holds_back(self) -> bool:
        """Whether chunks wait for a missing one."""
        return bool(self._held)

    def offer(self, item: Received) -> list[Received | Missing]:
        """What may go on now, in order. A duplicate gives nothing.

        Raises OutOfSequence for a number that went backwards, came after it was given up, or jumped too far.
        """
        seq = item.chunk.seq
        if seq < self._expected:
            self._refuse_unless_duplicate(item)
            return []
        if seq in self._held:
            return []
        self._refuse_jump(item)
        self._newest_captured_at_ms = max(self._newest_captured_at_ms, item.chunk.captured_at_ms)
        if seq == self._expected:
            self._expected += 1
            return [item, *self._release_consecutive()]
        self._held[seq] = item
        return self._release_overdue()

    def give_up_missing(self) -> list[Received | Missing]:
        """Everything held back, with what is missing between."""
        released: list[Received | Missing] = []
        while self._held:
            released += self._skip_to_held()
        return released

    def snapshot(self) -> OrderingState:
        return OrderingState(self._expected, self._newest_captured_at_ms, tuple(self._gaps), tuple(self._held.values()))

    def _refuse_unless_duplicate(self, item: Received) -> None:
        chunk = item.chunk
        if any(first <= chunk.seq < end for first, end in self._gaps):
            raise OutOfSequence(
                f"session {chunk.session_id!r}: chunk {chunk.seq} came after its place was filled with silence; "
                f"the next expected is {self._expected}"
            )
        if chunk.captured_at_ms > self._newest_captured_at_ms:
            raise OutOfSequence(
                f"session {chunk.session_id!r}: sequence number went backwards to {chunk.seq} with new audio, "
                f"expected {self._expected}; a producer that starts anew needs a new session id"
            )

    def _refuse_jump(self, item: Received) -> None:
        jump = item.chunk.seq - self._expected
        if self._expected == 0:  # a stream may be joined anywhere: only what follows its first chunk can jump
            jump = item.chunk.seq - max(self._held, default=item.chunk.seq)
        if jump > self._settings.max_jump_chunks:
            raise OutOfSequence(
                f"session {item.chunk.session_id!r}: sequence number {item.chunk.seq} jumps {jump} chunks past the "
                f"expected {self._expected}; at most {self._settings.max_jump_chunks} are accepted"
            )

    def _release_consecutive(self) -> list[Received | Missing]:
        released: list[Received | Missing] = []
        while (item := self._held.pop(self._expected, None)) is not None:
            released.append(item)
            self._expected += 1
        return released

    def _release_overdue(self) -> list[Received | Missing]:
        released: list[Received | Missing] = []
        while self._held and self._held_span_ms() >= self._settings.max_wait_ms:
            released += self._skip_to_held()
        return released

    def _held_span_ms(self) -> int:
        """How much audio is held, by the producer's clock, or by the number of chunks if that clock stands still."""
        oldest = min(item.chunk.captured_at_ms for item in self._held.values())
        return max(self._newest_captured_at_ms - oldest, (len(self._held) - 1) * MIN_CHUNK_MS)

    def _skip_to_held(self) -> list[Received | Missing]:
        first, target = self._expected, min(self._held)
        self._gaps.append((first, target))
        self._expected = target
        return [Missing(first, target - first), *self._release_consecutive()]
