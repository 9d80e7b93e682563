"""How many sessions are too many: which load to try next, and where the knee is by what was tried."""

from collections.abc import Mapping
from typing import Final

FINAL_LIMIT_MS: Final = 500
SILENCE_LIMIT_MS: Final = 2_000
FINEST_SHARE: Final = 8
"""The knee is found to within this part of itself: two runs of the same load differ by more than a finer step."""

Tried = Mapping[int, bool]
"""Number of sessions to whether they were served in time."""


def served(final_p95_ms: float | None, silence_p95_ms: float | None) -> bool:
    """Whether 95 of 100 finals came within half a second, and 95 of 100 listeners never waited two for a word."""
    if final_p95_ms is None or silence_p95_ms is None:
        return False
    return final_p95_ms <= FINAL_LIMIT_MS and silence_p95_ms <= SILENCE_LIMIT_MS


def keeps_up(taken_late_p95_ms: float | None, silence_p95_ms: float | None) -> bool:
    """Whether audio is taken while it is fresh and news come in time, however late finals may be."""
    if taken_late_p95_ms is None or silence_p95_ms is None:
        return False
    return taken_late_p95_ms <= FINAL_LIMIT_MS and silence_p95_ms <= SILENCE_LIMIT_MS


def knee(tried: Tried) -> int:
    """The most sessions that were served with none fewer that were not; 0 where there are none."""
    fewest_failed = min((load for load, good in tried.items() if not good), default=None)
    good = [load for load, was_good in tried.items() if was_good]
    return max((load for load in good if fewest_failed is None or load < fewest_failed), default=0)


def next_load(tried: Tried, first: int, most: int) -> int | None:
    """Doubles or halves until the knee lies between two loads, then halves what is between; None when it is known."""
    if not tried:
        return min(first, most)
    held, failed = knee(tried), min((load for load, good in tried.items() if not good), default=None)
    if failed is None:
        return min(2 * held, most) if held < most else None
    if failed - held <= max(1, failed // FINEST_SHARE):
        return None
    return max(1, failed // 2) if held == 0 else (held + failed) // 2
