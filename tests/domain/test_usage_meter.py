"""The meter: what a session used, in few reports, none of which a crash repeats or loses."""

from collections.abc import Iterable
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.types import Received
from pipeline.domain.usage import UsageReport, UsageSettings, UsageTotals, minute_of, totals_of
from pipeline.domain.usage_meter import UsageMeter
from pipeline.errors import UnknownSnapshot
from tests.domain.golden import misfits
from tests.domain.helpers import BROKEN, STARTED_AT_MS, Keeper, chunks_of, heard, received, session_of, stored, talk

SETTINGS = UsageSettings()
TALK = talk("silence 300", "speech 1500", "silence 900", "speech 700", "silence 700")
LONG = talk("silence 500", "speech 9000", "silence 121000")


def metered(items: Iterable[Received]) -> list[UsageReport]:
    """All reports of a session whose clock is right."""
    session, meter = session_of(), UsageMeter(SETTINGS, "acme")
    return [
        report for item in items for report in meter.hear(session, heard(session, [item]), item.chunk.captured_at_ms)
    ]


def summed(reports: Iterable[UsageReport]) -> UsageTotals:
    return reduce(add, map(totals_of, reports), UsageTotals())


def test_a_session_is_counted_with_its_audio_speech_and_finals() -> None:
    totals = summed(metered(chunks_of(TALK)))
    assert (totals.sessions, totals.audio_ms, totals.finals, totals.gap_ms) == (1, 4_100, 2, 0)
    assert abs(totals.speech_ms - 2_200) < 100


def test_the_audio_of_each_channel_counts() -> None:
    totals = summed(metered(chunks_of(np.stack([TALK, TALK]))))
    assert (totals.sessions, totals.audio_ms, totals.finals) == (1, 8_200, 4)


def test_lost_chunks_are_gaps_and_broken_ones_are_dead_letters_too() -> None:
    items = chunks_of(TALK)
    items[12] = received(12, BROKEN)
    del items[30]
    totals = summed(metered(items))
    assert (totals.audio_ms, totals.gap_ms, totals.dead_letters) == (3_900, 200, 1)


def test_a_report_comes_every_few_seconds_of_audio_not_with_every_chunk() -> None:
    items = chunks_of(LONG)
    reports = metered(items)
    assert len(reports) <= len(items) // (SETTINGS.report_ms // 100) + 4


def test_a_session_counts_once_in_each_minute() -> None:
    minutes = [minute_of(report.at_ms) for report in metered(chunks_of(LONG)) if report.sessions]
    assert len(minutes) == len(set(minutes)) == 3


def test_a_report_holds_audio_of_one_minute_only() -> None:
    by_minute: dict[int, int] = {}
    for report in metered(chunks_of(LONG)):
        by_minute[minute_of(report.at_ms)] = by_minute.get(minute_of(report.at_ms), 0) + report.audio_ms
    first = 60_000 - STARTED_AT_MS % 60_000
    assert list(by_minute.values())[:2] == [first, 60_000]


def test_an_idle_session_reports_the_rest_when_it_ends() -> None:
    session, meter = session_of(), UsageMeter(SETTINGS, "acme")
    early = [
        report
        for item in chunks_of(TALK, ends=False)
        for report in meter.hear(session, heard(session, [item]), item.chunk.captured_at_ms)
    ]
    assert early == []
    (rest,) = meter.wake(session, session.wake(10**9))
    assert (rest.sessions, rest.audio_ms, rest.finals) == (1, 4_100, 2)


def test_repeated_chunks_are_not_counted_again() -> None:
    items = chunks_of(TALK)
    assert summed(metered([*items[:10], *items[:10], *items[10:]])).audio_ms == 4_100


@settings(max_examples=25)
@given(st.sets(st.integers(0, 40), max_size=4), st.sampled_from([100, 250]))
def test_a_crash_after_any_chunk_changes_no_report(crashes: set[int], chunk_ms: int) -> None:
    items = chunks_of(talk("speech 2000", "silence 1000", "speech 9000", "silence 500"), chunk_ms)
    session, meter, keeper = session_of(), UsageMeter(SETTINGS, "acme"), Keeper()
    reports: list[UsageReport] = []
    for number, item in enumerate(items):
        keeper.keep(session)
        if number in crashes:
            session = keeper.restored()
            meter = UsageMeter.restored(SETTINGS, "acme", stored(meter.snapshot()))  # type: ignore[arg-type]
        reports += meter.hear(session, heard(session, [item]), item.chunk.captured_at_ms)
    assert reports == metered(items)


FIRST_RELEASE = {"at_ms": 1_000_050, "heard_ms": 100, "lost_ms": 0, "pending": (100, 0, 0, 0, 0), "minutes": [960_000]}
"""What the first releases kept of a meter, without a version."""


def test_a_meter_that_the_first_releases_kept_goes_on() -> None:
    session, items = session_of(), chunks_of(TALK)
    heard(session, items[:1])
    meter = UsageMeter.restored(SETTINGS, "acme", FIRST_RELEASE)  # type: ignore[arg-type]
    reports = [report for item in items[1:] for report in meter.hear(session, heard(session, [item]), 1_000_100)]
    assert (summed(reports).audio_ms, summed(reports).sessions) == (4_100, 0)


def test_a_meter_is_kept_in_the_shape_of_its_version() -> None:
    saved = stored(UsageMeter(SETTINGS, "acme").snapshot())
    assert misfits(stored({**FIRST_RELEASE, "version": 1}), saved) == []


def test_a_meter_of_a_later_release_is_refused() -> None:
    later = {**FIRST_RELEASE, "version": 2}
    with pytest.raises(UnknownSnapshot, match="a session's usage has version 2"):
        UsageMeter.restored(SETTINGS, "acme", later)  # type: ignore[arg-type]
