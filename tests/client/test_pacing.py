"""Chunks leave when their last sample would have been captured, and never drift."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pipeline.client.pacing import Start, due_s, merged, paced
from pipeline.domain.types import AudioChunk, Codec

START = Start(at_ms=1_000_000, monotonic_s=50.0)
CHUNK_MS = 100


@dataclass
class ManualClock:
    """Advances by sleeping only, always a little too long, as real clocks do."""

    now_s: float = START.monotonic_s
    oversleep_s: float = 0.0
    slept_s: list[float] = field(default_factory=list)

    def monotonic_s(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.slept_s.append(duration_s)
        self.now_s += duration_s + self.oversleep_s


def chunk(seq: int, session_id: str = "s", start_at_ms: int = START.at_ms) -> AudioChunk:
    return AudioChunk(session_id, seq, start_at_ms + seq * CHUNK_MS, Codec.PCM_S16LE, 16_000, 1, (b"\0\0",))


def departures(clock: ManualClock, count: int) -> list[float]:
    """When each of ``count`` chunks left, in seconds after the start."""
    chunks = (chunk(seq) for seq in range(count))
    released = paced(chunks, START, CHUNK_MS, clock.monotonic_s, clock.sleep)
    return [clock.now_s - START.monotonic_s for _ in released]


def test_a_chunk_is_due_when_its_last_sample_would_have_been_captured() -> None:
    assert due_s(START, chunk(0), CHUNK_MS) == 50.1
    assert due_s(START, chunk(9), CHUNK_MS) == 51.0


@given(st.floats(0, 0.09), st.integers(1, 200))
def test_sleeping_too_long_never_adds_up(oversleep_s: float, count: int) -> None:
    left_s = departures(ManualClock(oversleep_s=oversleep_s), count)
    late_s = [at_s - (seq + 1) * CHUNK_MS / 1000 for seq, at_s in enumerate(left_s)]
    assert min(late_s) >= -1e-6
    assert max(late_s) <= oversleep_s + 1e-6


def test_after_a_stall_chunks_leave_at_once_until_they_are_on_time_again() -> None:
    clock = ManualClock(now_s=START.monotonic_s + 0.45)
    assert [round(at_s, 3) for at_s in departures(clock, 6)] == [0.45, 0.45, 0.45, 0.45, 0.5, 0.6]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 20)), min_size=1, max_size=6))
def test_sessions_advance_together_and_each_in_its_own_order(sessions: list[tuple[int, int]]) -> None:
    sources = [
        iter([chunk(seq, str(number), START.at_ms + offset_ms) for seq in range(count)])
        for number, (offset_ms, count) in enumerate(sessions)
    ]
    played = list(merged(sources))
    assert [one.captured_at_ms for one in played] == sorted(one.captured_at_ms for one in played)
    for number, (_, count) in enumerate(sessions):
        assert [one.seq for one in played if one.session_id == str(number)] == list(range(count))
