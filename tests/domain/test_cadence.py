"""When a partial is worth its cost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.cadence import CadenceSettings, next_partial_ms

SETTINGS = CadenceSettings(first_ms=400, interval_ms=500, growth=0.25)


def asked_until(settings: CadenceSettings, end_ms: int) -> list[int]:
    """The lengths at which partials are asked for in a segment of ``end_ms``."""
    asked = [next_partial_ms(settings, 0)]
    while asked[-1] < end_ms:
        asked.append(next_partial_ms(settings, asked[-1]))
    return asked[:-1]


def test_the_first_partial_comes_after_its_own_time() -> None:
    assert next_partial_ms(SETTINGS, 0) == 400


def test_short_segments_have_partials_at_an_interval() -> None:
    assert next_partial_ms(SETTINGS, 400) == 900


def test_long_segments_have_partials_as_they_grow() -> None:
    assert next_partial_ms(SETTINGS, 8_000) == 10_000


def test_the_partials_of_a_long_segment() -> None:
    assert asked_until(SETTINGS, 6_000) == [400, 900, 1_400, 1_900, 2_400, 3_000, 3_750, 4_688, 5_860]


@given(st.integers(1, 60_000))
def test_the_next_partial_is_never_sooner_than_the_interval(asked_ms: int) -> None:
    assert next_partial_ms(SETTINGS, asked_ms) >= asked_ms + 500


def test_partials_cost_a_fixed_multiple_of_the_final() -> None:
    settings = CadenceSettings(first_ms=10, interval_ms=1, growth=0.25)
    asked = asked_until(settings, 3_600_000)
    assert sum(asked) <= (1 + 0.25) / 0.25 * asked[-1]
    assert all(later > earlier for earlier, later in pairwise(asked))
