"""Usage: reports that add up in any order, percentiles within their error, minutes that wrong clocks cannot choose."""

from functools import reduce
from math import ceil
from operator import add

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.usage import (
    LONGEST_WAIT_MS,
    RELATIVE_ERROR,
    UsageReport,
    UsageSettings,
    UsageTotals,
    believable_wait_ms,
    counted_at_ms,
    minute_of,
    percentile_ms,
    totals_of,
    usage_of,
)

SETTINGS = UsageSettings()
NOON_MS = 1_700_000_000_000

amounts = st.integers(0, 10**6)
waits = st.integers(0, LONGEST_WAIT_MS)
reports = st.builds(
    UsageReport,
    tenant=st.just("acme"), at_ms=amounts, sessions=st.integers(0, 1), audio_ms=amounts, speech_ms=amounts,
    gap_ms=amounts, finals=amounts, dead_letters=amounts, wait_ms=st.none() | waits,
)  # fmt: skip


def summed(many: list[UsageReport]) -> UsageTotals:
    return reduce(add, map(totals_of, many), UsageTotals())


@given(st.lists(reports, max_size=12), st.randoms(use_true_random=False))
def test_reports_add_up_to_the_same_in_any_order(many: list[UsageReport], random: object) -> None:
    shuffled = many.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summed(shuffled) == summed(many)


@given(st.lists(reports, max_size=12), st.integers(0, 12))
def test_totals_of_parts_add_up_to_the_totals_of_the_whole(many: list[UsageReport], cut: int) -> None:
    assert summed(many[:cut]) + summed(many[cut:]) == summed(many)


@given(st.lists(st.integers(1, LONGEST_WAIT_MS), min_size=1, max_size=200), st.sampled_from([50, 95, 100]))
def test_a_percentile_is_within_its_error_of_the_exact_one(values: list[int], percent: int) -> None:
    totals = summed([UsageReport("acme", 0, wait_ms=value) for value in values])
    exact = sorted(values)[ceil(len(values) * percent / 100) - 1]
    found = percentile_ms(totals.waits, percent)
    assert found is not None
    assert abs(found - exact) <= exact * RELATIVE_ERROR + 0.5  # rounded to a whole millisecond


def test_a_minute_without_waits_has_no_percentiles() -> None:
    minute = usage_of("acme", 0, totals_of(UsageReport("acme", 0, audio_ms=100)), NOON_MS)
    assert (minute.waits, minute.wait_p50_ms, minute.wait_p95_ms) == (0, None, None)


def test_the_buckets_of_a_minute_are_few_whatever_the_waits() -> None:
    everything = summed([UsageReport("acme", 0, wait_ms=value) for value in range(0, LONGEST_WAIT_MS, 7)])
    assert len(everything.waits) < 300


@given(st.lists(reports, min_size=1, max_size=8), reports)
def test_more_reports_make_a_higher_revision(many: list[UsageReport], late: UsageReport) -> None:
    before = usage_of("acme", 0, summed(many), NOON_MS)
    after = usage_of("acme", 0, summed([*many, late]), NOON_MS)
    assert after.revision > before.revision
    assert after.audio_ms == before.audio_ms + late.audio_ms


def test_audio_counts_when_it_was_captured_also_if_it_comes_minutes_late() -> None:
    for late_ms in (0, 150, SETTINGS.max_late_ms):
        assert counted_at_ms(NOON_MS - late_ms, NOON_MS, SETTINGS) == NOON_MS - late_ms


def test_audio_of_a_clock_that_is_hours_off_counts_when_it_arrived() -> None:
    for hours_off in (-5, 5):
        assert counted_at_ms(NOON_MS + hours_off * 3_600_000, NOON_MS, SETTINGS) == NOON_MS


@given(st.integers(0, 2 * NOON_MS))
def test_no_clock_moves_audio_far_from_its_arrival(captured_at_ms: int) -> None:
    counted = counted_at_ms(captured_at_ms, NOON_MS, SETTINGS)
    assert NOON_MS - SETTINGS.max_late_ms <= counted <= NOON_MS + SETTINGS.max_ahead_ms


def test_a_wait_that_only_a_wrong_clock_explains_is_not_measured() -> None:
    assert believable_wait_ms(NOON_MS, NOON_MS + 240) == 240
    assert believable_wait_ms(NOON_MS + 5, NOON_MS) is None
    assert believable_wait_ms(NOON_MS, NOON_MS + LONGEST_WAIT_MS + 1) is None


def test_a_minute_begins_with_its_first_millisecond() -> None:
    assert [minute_of(at_ms) for at_ms in (119_999, 120_000, 120_001)] == [60_000, 120_000, 120_000]
