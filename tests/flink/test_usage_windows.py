"""The windows of usage: when a minute is written, and that nothing is written twice."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from pyflink.datastream.window import TimeWindow, TriggerResult

from pipeline.codecs.avro import decode_usage
from pipeline.domain.usage import MINUTE_MS, UsageReport, UsageSettings, UsageTotals
from pipeline.errors import UnknownSnapshot
from pipeline.flink.usage_windows import SETTLING_MS, TOTALS, AddReports, ReportedMinutes, SettledMinute, WriteMinute
from tests.domain.helpers import stored
from tests.flink.harness import KeyedState, ValueSlot

SETTINGS = UsageSettings()
NOON_MS = 1_700_000_040_000
WINDOW = TimeWindow(NOON_MS, NOON_MS + MINUTE_MS)


@dataclass
class Window:
    """What a window's functions see of Flink: two clocks, timers, and state of their own."""

    now_ms: int
    watermark_ms: int
    event_timers: set[int] = field(default_factory=set)
    timers: set[int] = field(default_factory=set)
    state: KeyedState = field(default_factory=KeyedState)

    def get_current_processing_time(self) -> int:
        return self.now_ms

    def get_current_watermark(self) -> int:
        return self.watermark_ms

    def register_event_time_timer(self, at_ms: int) -> None:
        self.event_timers.add(at_ms)

    def register_processing_time_timer(self, at_ms: int) -> None:
        self.timers.add(at_ms)

    def window(self) -> TimeWindow:
        return WINDOW

    def window_state(self) -> "Window":
        return self

    def get_state(self, descriptor: Any) -> ValueSlot:
        return ValueSlot(self.state, descriptor.name)


def report(at_ms: int = NOON_MS, audio_ms: int = 5_000) -> UsageReport:
    return UsageReport("acme", at_ms, audio_ms=audio_ms)


def after_reports(window: Window, count: int) -> Window:
    trigger = SettledMinute(SETTINGS)
    for _ in range(count):
        assert trigger.on_element(report(), -1, WINDOW, window) is TriggerResult.CONTINUE
    return window


def test_a_report_belongs_to_the_minute_that_it_names() -> None:
    (window,) = ReportedMinutes(MINUTE_MS, 0).assign_windows(report(NOON_MS + 59_999), -1, None)
    assert (window.start, window.end) == (NOON_MS, NOON_MS + MINUTE_MS)


def test_a_minute_is_written_when_the_watermark_has_passed_it() -> None:
    window = after_reports(Window(NOON_MS + 5_000, NOON_MS - 5_000), 3)
    assert window.event_timers == {WINDOW.max_timestamp()}


def test_a_minute_is_written_though_nobody_speaks_any_more() -> None:
    window = after_reports(Window(NOON_MS + 5_000, NOON_MS - 5_000), 3)
    (at_ms,) = window.timers
    assert WINDOW.end + SETTINGS.lateness_ms + SETTLING_MS <= at_ms <= WINDOW.end + SETTINGS.lateness_ms + 10_000


def test_late_reports_share_one_correction_soon_after() -> None:
    now_ms = NOON_MS + 300_000
    window = after_reports(Window(now_ms, now_ms - 10_000), 40)
    (at_ms,) = window.timers
    assert now_ms + SETTLING_MS <= at_ms <= now_ms + 2 * SETTLING_MS
    assert window.event_timers == set()


def written(window: Window, reports: int) -> list[tuple[bytes, int, int]]:
    """Key, revision and audio of the records that a firing of the window with so many reports gives."""
    add, totals = AddReports(), AddReports().create_accumulator()
    for _ in range(reports):
        totals = add.add(report(), totals)
    rows = WriteMinute(lambda: NOON_MS).process("acme", window, [add.get_result(totals)])
    minutes = [(bytes(row[0]), decode_usage(row[1])) for row in rows]
    return [(key, minute.revision, minute.audio_ms) for key, minute in minutes]


def test_a_minute_that_did_not_change_is_not_written_again() -> None:
    window = Window(0, 0)
    assert written(window, 2) == [(b"acme", 2, 10_000)]
    assert written(window, 2) == []


def test_a_correction_has_a_higher_revision() -> None:
    window = Window(0, 0)
    assert written(window, 2) + written(window, 3) == [(b"acme", 2, 10_000), (b"acme", 3, 15_000)]


def test_a_minute_that_is_forgotten_leaves_no_state() -> None:
    window = Window(0, 0)
    written(window, 2)
    WriteMinute().clear(window)
    assert window.state.values == {}


def test_totals_wait_as_plain_data_and_add_up_after_a_restore() -> None:
    add = AddReports()
    one = add.add(report(), add.create_accumulator())
    assert stored(one) == one
    assert add.get_result(add.merge(one, add.add(report(), one))).audio_ms == 15_000


def test_totals_that_the_first_releases_kept_are_read_and_added_to() -> None:
    totals = AddReports().get_result(AddReports().add(report(), (2, 1, 5_000, 3_000, 0, 1, 0, {7: 1})))  # type: ignore[arg-type]
    assert totals == UsageTotals(3, 1, 10_000, 3_000, 0, 1, 0, {7: 1})


def test_totals_of_a_later_release_are_refused() -> None:
    later = {**AddReports().create_accumulator(), "version": TOTALS.version + 1}
    with pytest.raises(UnknownSnapshot, match="a minute's usage has version 2, this release reads versions 0 to 1"):
        AddReports().add(report(), later)
