"""Which load to try next, and where the knee is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.knee import FINEST_SHARE, knee, next_load, served


@pytest.mark.parametrize(
    ("final_ms", "silence_ms", "good"),
    [(500, 2_000, True), (501, 2_000, False), (500, 2_001, False), (None, 100, False), (100, None, False)],
)
def test_a_load_is_served_when_finals_and_news_come_in_time(
    final_ms: float | None, silence_ms: float | None, good: bool
) -> None:
    assert served(final_ms, silence_ms) is good


def test_a_load_that_was_served_beyond_one_that_was_not_does_not_count() -> None:
    assert knee({4: True, 8: False, 16: True}) == 4


def test_loads_are_doubled_until_one_is_too_much() -> None:
    assert next_load({4: True, 8: True}, first=4, most=64) == 16


def test_what_lies_between_is_halved() -> None:
    assert next_load({8: True, 16: False}, first=8, most=64) == 12


def test_a_first_load_that_is_too_much_is_halved() -> None:
    assert next_load({8: False}, first=8, most=64) == 4


def test_no_load_is_larger_than_the_largest() -> None:
    assert next_load({48: True}, first=8, most=64) == 64
    assert next_load({64: True}, first=8, most=64) is None


@given(st.integers(0, 100), st.integers(1, 32))
def test_the_knee_is_found_to_a_fine_share_of_it(capacity: int, first: int) -> None:
    tried: dict[int, bool] = {}
    while (load := next_load(tried, first, 128)) is not None:
        assert load not in tried
        tried[load] = load <= capacity
    assert 0 <= capacity - knee(tried) <= max(1, (capacity + 1) // (FINEST_SHARE - 1))
