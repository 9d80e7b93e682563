"""Flink's windows around ``pipeline.domain.usage``: one a minute and tenant, corrected by what comes late.

The watermark is that of the audio topic's own time stamps (``kafka_tables.py``), which no producer's clock can move.
A minute is reported when the watermark has passed it, when nobody speaks any more and the watermark stands still, and
again a little after late reports, many of which share one correction.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from pyflink.common import Row
from pyflink.common.typeinfo import Types
from pyflink.datastream import AggregateFunction, DataStream, ProcessWindowFunction
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.datastream.window import TimeWindow, Trigger, TriggerResult, TumblingEventTimeWindows

from pipeline.codecs.avro import encode_usage
from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.snapshots import UNVERSIONED, SnapshotFormat
from pipeline.domain.usage import MINUTE_MS, UsageReport, UsageSettings, UsageTotals, minute_of, totals_of, usage_of
from pipeline.flink.clock import Clock, wall_clock_ms
from pipeline.flink.outputs import KEYED_BYTES

SETTLING_MS = 5_000
"""How long reports are gathered before a minute is reported, or corrected, without the watermark's word."""

PlainTotals = dict[str, Any]
"""The fields of ``UsageTotals`` by name, and ``version``; ``TOTALS`` reads that before anything else is read."""

_FIRST_FIELDS: Final = ("reports", "sessions", "audio_ms", "speech_ms", "gap_ms", "finals", "dead_letters", "waits")

TOTALS: Final = SnapshotFormat(
    "a minute's usage", UNVERSIONED, (lambda saved: dict(zip(_FIRST_FIELDS, saved, strict=True)),)
)
"""The first releases kept the fields in this order, without names or a version."""


def usage_records(reports: DataStream, settings: UsageSettings) -> DataStream:
    """Rows of (key, value) for the usage topic, from the reports of all operators."""
    # A minute is kept for as long as audio may be late, and some more: the partitions are not read in step.
    lateness_ms = settings.max_late_ms + settings.lateness_ms + MINUTE_MS
    return (
        reports.key_by(lambda report: report.tenant, Types.STRING())
        .window(ReportedMinutes(MINUTE_MS, 0))
        .trigger(SettledMinute(settings))
        .allowed_lateness(lateness_ms)
        .aggregate(AddReports(), WriteMinute(), accumulator_type=Types.PICKLED_BYTE_ARRAY(), output_type=KEYED_BYTES)
    )


class ReportedMinutes(TumblingEventTimeWindows):
    """Windows of a minute by the time that a report itself names."""

    def assign_windows(self, element: UsageReport, timestamp: int, context: Any) -> Collection[TimeWindow]:
        start_ms = minute_of(element.at_ms)
        return [TimeWindow(start_ms, start_ms + MINUTE_MS)]


class SettledMinute(Trigger):
    """Fires when a minute is over, and after late reports; ``WriteMinute`` keeps still where nothing is new.

    In thread mode PyFlink's window operator hands timers of both kinds to ``on_event_time``: both fire.
    """

    def __init__(self, settings: UsageSettings) -> None:
        self._lateness_ms = settings.lateness_ms

    def on_element(self, element: UsageReport, timestamp: int, window: TimeWindow, ctx: Any) -> TriggerResult:
        if window.max_timestamp() > ctx.get_current_watermark():
            ctx.register_event_time_timer(window.max_timestamp())
        over_ms = window.end + self._lateness_ms
        ctx.register_processing_time_timer(settled_ms(max(over_ms, ctx.get_current_processing_time())))
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: TimeWindow, ctx: Any) -> TriggerResult:
        return TriggerResult.FIRE

    def on_processing_time(self, time: int, window: TimeWindow, ctx: Any) -> TriggerResult:
        return TriggerResult.FIRE

    def on_merge(self, window: TimeWindow, ctx: Any) -> None:
        """Minutes are never merged."""

    def clear(self, window: TimeWindow, ctx: Any) -> None:
        """Timers that are left find an empty window and do nothing."""


class AddReports(AggregateFunction):
    """Totals as plain data: they wait in checkpoints."""

    def create_accumulator(self) -> PlainTotals:
        return plain(UsageTotals())

    def add(self, value: UsageReport, accumulator: PlainTotals) -> PlainTotals:
        return plain(restored(accumulator) + totals_of(value))

    def get_result(self, accumulator: PlainTotals) -> UsageTotals:
        return restored(accumulator)

    def merge(self, acc_a: PlainTotals, acc_b: PlainTotals) -> PlainTotals:
        return plain(restored(acc_a) + restored(acc_b))


class WriteMinute(ProcessWindowFunction):
    """The record of a minute whose totals have changed since it was written last."""

    def __init__(self, clock: Clock = wall_clock_ms) -> None:
        self._clock = clock

    def process(self, key: str, context: Any, elements: Iterable[UsageTotals]) -> Iterator[Row]:
        (totals,) = elements
        written = context.window_state().get_state(WRITTEN)
        if totals.reports != written.value():
            written.update(totals.reports)
            yield Row(key.encode(), encode_usage(usage_of(key, context.window().start, totals, self._clock())))

    def clear(self, context: Any) -> None:
        context.window_state().get_state(WRITTEN).clear()


WRITTEN = ValueStateDescriptor("written", Types.LONG())
"""The revision that was written last, of each minute."""


def settled_ms(from_ms: int) -> int:
    """A moment at least SETTLING_MS after ``from_ms``, the same one for many: timers of one moment are one timer."""
    return (from_ms // SETTLING_MS + 2) * SETTLING_MS


def plain(totals: UsageTotals) -> PlainTotals:
    """The totals as they wait in state."""
    return {**to_plain(totals), "version": TOTALS.version}


def restored(saved: PlainTotals) -> UsageTotals:
    """The totals that waited in state. Raises UnknownSnapshot."""
    fields = TOTALS.upgraded(saved)
    return from_plain(UsageTotals, {name: value for name, value in fields.items() if name != "version"})
