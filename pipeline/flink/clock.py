"""The wall clock of the operators; everything below them takes the time as an argument."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Milliseconds since 1970, UTC."""


def wall_clock_ms() -> int:
    """The time now."""
    return time.time_ns() // 1_000_000
