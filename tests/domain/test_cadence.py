"""When a partial is worth its cost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.cadence import NO_MARKS, NO_PARTIALS, CadenceSettings, Load, Pace, due, marked

GROWING = Pace(first_ms=400, interval_ms=500, growth=0.25, longest_ms=10_000)
SETTINGS = CadenceSettings((Pace(200, 200), Pace(200, 500, 0.5, 5_000), Pace(600, 1_800)))


def asked_until(pace: Pace, end_ms: int) -> list[int]:
    """The lengths at which partials are asked for in a segment of ``end_ms``."""
    asked = [pace.next_ms(0)]
    while asked[-1] < end_ms:
        asked.append(pace.next_ms(asked[-1]))
    return asked[:-1]


def heard(lengths_ms: list[int]) -> list[Load | None]:
    """What is due at each of the lengths, one after the other."""
    marks, found = NO_MARKS, []
    for spoken_ms in lengths_ms:
        found.append(due(SETTINGS, marks, spoken_ms))
        marks = marked(SETTINGS, marks, spoken_ms)
    return found


def test_the_first_partial_comes_after_its_own_time() -> None:
    assert GROWING.next_ms(0) == 400


def test_short_segments_have_partials_at_an_interval() -> None:
    assert GROWING.next_ms(400) == 900


def test_long_segments_have_partials_as_they_grow() -> None:
    assert GROWING.next_ms(8_000) == 10_000


def test_nobody_waits_for_a_partial_for_longer_than_the_longest_time() -> None:
    assert Pace(first_ms=400, interval_ms=500, growth=0.25, longest_ms=1_800).next_ms(12_000) == 13_800


def test_the_partials_of_a_long_segment() -> None:
    assert asked_until(GROWING, 6_000) == [400, 900, 1_400, 1_900, 2_400, 3_000, 3_750, 4_688, 5_860]


@given(st.integers(1, 60_000))
def test_the_next_partial_is_never_sooner_than_the_interval(asked_ms: int) -> None:
    assert GROWING.next_ms(asked_ms) >= asked_ms + 500


def test_growing_partials_cost_a_fixed_multiple_of_the_final() -> None:
    asked = asked_until(Pace(first_ms=10, interval_ms=1, growth=0.25, longest_ms=3_600_000), 3_600_000)
    assert sum(asked) <= (1 + 0.25) / 0.25 * asked[-1]
    assert all(later > earlier for earlier, later in pairwise(asked))


def test_what_is_due_at_several_paces_is_worth_it_under_the_heaviest_load_of_them() -> None:
    assert heard([100, 200, 400, 600, 700, 1_000]) == [None, Load.BUSY, Load.IDLE, Load.TIGHT, Load.BUSY, Load.IDLE]


def test_nothing_is_due_twice() -> None:
    assert heard([600, 600]) == [Load.TIGHT, None]


def test_without_partials_none_is_ever_due() -> None:
    assert due(NO_PARTIALS, NO_MARKS, 3_600_000) is None


def test_by_default_somebody_who_speaks_on_is_shown_every_two_seconds_under_any_load_but_a_full_one() -> None:
    for pace in CadenceSettings().paces:
        asked = asked_until(pace, 20_000)
        assert max(later - earlier for earlier, later in pairwise([0, *asked])) < 2_000
