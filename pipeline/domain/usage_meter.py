"""One session's part in its tenant's usage: gathered chunk by chunk, reported every few seconds of audio.

A report never mixes two minutes. What a meter reports depends on the chunks alone, and its snapshot is kept with the
session's: after a crash the same chunks give the same reports.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypedDict

from pipeline.domain.actions import Action, Rejected
from pipeline.domain.session import Session
from pipeline.domain.snapshots import UNVERSIONED, SnapshotFormat
from pipeline.domain.types import SegmentClosed
from pipeline.domain.usage import UsageReport, UsageSettings, minute_of

REMEMBERED_MINUTES: Final = 16
"""More than audio may be late: a session counts once in each minute, whatever the order of its chunks."""


METER: Final = SnapshotFormat("a session's usage", UNVERSIONED, (lambda saved: saved,))
"""The first releases kept the same fields without a version."""


class MeterSnapshot(TypedDict):
    """Plain data only. ``METER`` reads ``version`` before anything else is read."""

    version: int
    at_ms: int
    heard_ms: int
    lost_ms: int
    pending: tuple[int, int, int, int, int]
    minutes: list[int]


@dataclass(slots=True)
class Pending:
    """What was not reported yet, all of one minute."""

    audio_ms: int = 0
    gap_ms: int = 0
    speech_ms: int = 0
    finals: int = 0
    dead_letters: int = 0

    def plain(self) -> tuple[int, int, int, int, int]:
        return self.audio_ms, self.gap_ms, self.speech_ms, self.finals, self.dead_letters


class UsageMeter:
    """The usage of one session. ``tenant`` pays for it."""

    def __init__(self, settings: UsageSettings, tenant: str) -> None:
        self._settings = settings
        self._tenant = tenant
        self._at_ms = 0
        self._heard_ms = 0
        self._lost_ms = 0
        self._pending = Pending()
        self._minutes: list[int] = []

    def hear(self, session: Session, actions: Iterable[Action], at_ms: int) -> list[UsageReport]:
        """Take what a chunk that counts at ``at_ms`` made of the session."""
        reports = self._turn_to(at_ms)
        return reports + self._gather(session, actions)

    def wake(self, session: Session, actions: Iterable[Action]) -> list[UsageReport]:
        """Take what time alone made of the session: it counts where its last chunk did."""
        return self._gather(session, actions)

    def snapshot(self) -> MeterSnapshot:
        return {
            "version": METER.version,
            "at_ms": self._at_ms,
            "heard_ms": self._heard_ms,
            "lost_ms": self._lost_ms,
            "pending": self._pending.plain(),
            "minutes": self._minutes.copy(),
        }

    @classmethod
    def restored(cls, settings: UsageSettings, tenant: str, saved: MeterSnapshot) -> "UsageMeter":
        """The meter of a snapshot. Raises UnknownSnapshot."""
        saved = METER.upgraded(saved)
        meter = cls(settings, tenant)
        meter._at_ms, meter._heard_ms, meter._lost_ms = saved["at_ms"], saved["heard_ms"], saved["lost_ms"]
        meter._pending = Pending(*saved["pending"])
        meter._minutes = list(saved["minutes"])
        return meter

    def _turn_to(self, at_ms: int) -> list[UsageReport]:
        """Go to the minute of ``at_ms``; what was gathered in another one is reported."""
        reports = self._report() if minute_of(at_ms) != minute_of(self._at_ms) else []
        self._at_ms = at_ms
        return reports

    def _gather(self, session: Session, actions: Iterable[Action]) -> list[UsageReport]:
        pending = self._pending
        pending.audio_ms += session.heard_ms - self._heard_ms
        pending.gap_ms += session.gap_ms - self._lost_ms
        self._heard_ms, self._lost_ms = session.heard_ms, session.gap_ms
        for action in actions:
            match action:
                case SegmentClosed():
                    pending.speech_ms += action.end_ms - action.start_ms
                    pending.finals += 1
                case Rejected():
                    pending.dead_letters += 1
        enough = pending.audio_ms + pending.gap_ms >= self._settings.report_ms
        return self._report() if enough or session.ended else []

    def _report(self) -> list[UsageReport]:
        audio_ms, gap_ms, speech_ms, finals, dead_letters = gathered = self._pending.plain()
        if not any(gathered):
            return []
        self._pending = Pending()
        report = UsageReport(self._tenant, self._at_ms, 0, audio_ms, speech_ms, gap_ms, finals, dead_letters)
        return [self._counted(report)]

    def _counted(self, report: UsageReport) -> UsageReport:
        """The report, with the session in it unless an earlier one of this minute had it."""
        minute = minute_of(report.at_ms)
        if minute in self._minutes:
            return report
        self._minutes = [*self._minutes, minute][-REMEMBERED_MINUTES:]
        return replace(report, sessions=1)
