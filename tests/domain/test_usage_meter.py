"""The meter: what a session used, in few reports, none of which a crash repeats or loses."""

from collections.abc import Iterable
from functools import reduce
from operator import add

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.types import Received
from pipeline.domain.usage import UsageReport, UsageSettings, UsageTotals, minute_of, totals_of
from pipeline.domain.usage_meter import UsageMeter
from tests.domain.helpers import BROKEN, STARTED_AT_MS, Keeper, chunks_of, received, session_of, stored, talk

SETTINGS = UsageSettings()
TALK = talk("silence 300", "speech 1500", "silence 900", "speech 700", "silence 700")
LONG = talk("silence 500", "speech 9000", "silence 121000")


def metered(items: Iterable[Received]) -> list[UsageReport]:
    """All reports of a session whose clock is right."""
    session, meter = session_of(), UsageMeter(SETTINGS, "acme")
    return [
        report for item in items for report in meter.hear(session, session.receive(item), item.chunk.captured_at_ms)
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
    heard = [
        report
        for item in chunks_of(TALK, ends=False)
        for report in meter.hear(session, session.receive(item), item.chunk.captured_at_ms)
    ]
    assert heard == []
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
        reports += meter.hear(session, session.receive(item), item.chunk.captured_at_ms)
    assert reports == metered(items)
