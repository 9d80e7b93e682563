"""Who used how much, minute by minute: reports that add up, and the record that consumers read.

Totals form a sum: they can be added in any order and any grouping, so that many sessions, operators and partitions
may each report what they saw. Waits are kept as a histogram whose buckets grow by a fixed ratio (DDSketch, Masson et
al., VLDB 2019), so that a percentile is within RELATIVE_ERROR of the exact one whatever the waits are, and the buckets
of two totals are added one by one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, log
from typing import Final

MINUTE_MS: Final = 60_000

RELATIVE_ERROR: Final = 0.02
"""How far a percentile of waits between 1 and LONGEST_WAIT_MS may be from the exact one."""

LONGEST_WAIT_MS: Final = 60_000
"""A wait past this, or a negative one, tells of a wrong clock or a backlog rather than of the job: it is left out."""

_GROWTH: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)

Buckets = Mapping[int, int]
"""Number of a bucket to how many waits fell into it. Bucket i holds those in (growth^(i-1), growth^i] milliseconds."""


@dataclass(frozen=True, slots=True)
class UsageSettings:
    """``report_ms`` of audio are gathered in a session before they are reported. Audio captured up to ``max_late_ms``
    before its arrival, or ``max_ahead_ms`` after it, counts in the minute of its capture; what is further off tells of
    a wrong clock and counts in the minute of its arrival. A minute is first reported ``lateness_ms`` after its end.
    """

    report_ms: int = 5_000
    max_late_ms: int = 600_000
    max_ahead_ms: int = 10_000
    lateness_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What one operator adds to the minute of ``at_ms`` (event time, wall clock): see ``Usage`` for the fields.

    ``sessions`` is 1 in a session's first report within a minute; ``wait_ms`` is one final's, None if unknown.
    """

    tenant: str
    at_ms: int
    sessions: int = 0
    audio_ms: int = 0
    speech_ms: int = 0
    gap_ms: int = 0
    finals: int = 0
    dead_letters: int = 0
    wait_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Any number of reports, added up."""

    reports: int = 0
    sessions: int = 0
    audio_ms: int = 0
    speech_ms: int = 0
    gap_ms: int = 0
    finals: int = 0
    dead_letters: int = 0
    waits: Buckets = field(default_factory=dict)

    def __add__(self, other: "UsageTotals") -> "UsageTotals":
        return UsageTotals(
            self.reports + other.reports,
            self.sessions + other.sessions,
            self.audio_ms + other.audio_ms,
            self.speech_ms + other.speech_ms,
            self.gap_ms + other.gap_ms,
            self.finals + other.finals,
            self.dead_letters + other.dead_letters,
            dict(Counter(self.waits) + Counter(other.waits)),
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """One minute of one tenant as consumers read it; see schemas/usage.avsc for each field's meaning."""

    tenant: str
    window_start_ms: int
    window_end_ms: int
    revision: int
    sessions: int
    audio_ms: int
    speech_ms: int
    gap_ms: int
    finals: int
    dead_letters: int
    waits: int
    wait_p50_ms: int | None
    wait_p95_ms: int | None
    emitted_at_ms: int


def totals_of(report: UsageReport) -> UsageTotals:
    """The totals of one report."""
    return UsageTotals(
        1,
        report.sessions,
        report.audio_ms,
        report.speech_ms,
        report.gap_ms,
        report.finals,
        report.dead_letters,
        {} if report.wait_ms is None else {bucket_of(report.wait_ms): 1},
    )


def usage_of(tenant: str, window_start_ms: int, totals: UsageTotals, now_ms: int) -> Usage:
    """The record of a minute. Its revision is the number of reports in it: totals only grow, so a higher revision
    always holds all that a lower one does, also where a restarted job adds the reports in another order.
    """
    return Usage(
        tenant=tenant,
        window_start_ms=window_start_ms,
        window_end_ms=window_start_ms + MINUTE_MS,
        revision=totals.reports,
        sessions=totals.sessions,
        audio_ms=totals.audio_ms,
        speech_ms=totals.speech_ms,
        gap_ms=totals.gap_ms,
        finals=totals.finals,
        dead_letters=totals.dead_letters,
        waits=sum(totals.waits.values()),
        wait_p50_ms=percentile_ms(totals.waits, 50),
        wait_p95_ms=percentile_ms(totals.waits, 95),
        emitted_at_ms=now_ms,
    )


def counted_at_ms(captured_at_ms: int, stored_at_ms: int, settings: UsageSettings) -> int:
    """In which moment audio counts that was captured and stored so: its capture, or its arrival if that is not to be
    believed. Both times are part of the record, so audio read again counts where it did before.
    """
    earliest, latest = stored_at_ms - settings.max_late_ms, stored_at_ms + settings.max_ahead_ms
    return captured_at_ms if earliest <= captured_at_ms <= latest else stored_at_ms


def minute_of(at_ms: int) -> int:
    """The start of the minute."""
    return at_ms - at_ms % MINUTE_MS


def believable_wait_ms(captured_at_ms: int, emitted_at_ms: int) -> int | None:
    """From the end of a segment's speech to its final, or None where the clocks say nothing about it."""
    wait_ms = emitted_at_ms - captured_at_ms
    return wait_ms if 0 <= wait_ms <= LONGEST_WAIT_MS else None


def bucket_of(wait_ms: int) -> int:
    """The bucket of a wait; those below a millisecond share bucket 0."""
    return ceil(log(wait_ms) / log(_GROWTH)) if wait_ms > 1 else 0


def percentile_ms(buckets: Buckets, percent: int) -> int | None:
    """The wait that ``percent`` of all waits do not exceed (nearest rank); None if there are none."""
    rank = ceil(sum(buckets.values()) * percent / 100)
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank <= 0:
            return round(2 * _GROWTH**bucket / (_GROWTH + 1))
    return None
