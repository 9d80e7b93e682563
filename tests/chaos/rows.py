"""The report: a row for each fault, as a table for people and as plain data for programs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rich.table import Table

from tests.chaos.verdict import Verdict

RECOVERY_LIMIT_S: Final = 15.0
"""So soon after a process was killed the next text must come."""

COUNTS: Final = ("expected", "identical", "lost", "doubled", "changed", "repeated")
COLUMNS: Final = ("sessions", *COUNTS, "audio lost", "silence")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a fault. ``silence_s`` is the longest time without a text from the fault on, None where chunks were
    sent as fast as they could go. ``problem`` is what else was wrong, ``note`` what is worth knowing.
    """

    fault: str
    sessions: int
    verdict: Verdict = field(default_factory=Verdict)
    silence_s: float | None = None
    kills: bool = False
    skipped: bool = False
    note: str | None = None
    problem: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether the fault changed nothing and, where a process was killed, was soon over."""
        return self.verdict.is_clean and self.problem is None and not self.is_slow

    @property
    def told(self) -> str:
        """The outcome in a line."""
        good = "skipped" if self.skipped else "good" if self.is_good else "too slow" if self.is_slow else "bad"
        return ": ".join(filter(None, (good, self.problem, self.note)))

    @property
    def summary(self) -> str:
        """The row in a line, while others are still to come."""
        if self.skipped:
            return self.told
        silence = "" if self.silence_s is None else f", longest silence {self.silence_s:.1f} s"
        return f"{self.told}; {self.verdict.identical} of {self.verdict.expected} finals identical{silence}"

    @property
    def is_slow(self) -> bool:
        return self.kills and self.silence_s is not None and self.silence_s > RECOVERY_LIMIT_S

    def record(self) -> dict[str, Any]:
        """The row as plain data; ``note`` and ``problem`` only where there is something to say."""
        told = {"note": self.note, "problem": self.problem, "skipped": self.skipped or None}
        recovery_s = None if self.silence_s is None else round(self.silence_s, 1)
        row = {"fault": self.fault, "sessions": self.sessions, **asdict(self.verdict), "recovery_s": recovery_s}
        return row | {name: value for name, value in told.items() if value is not None}


def table(rows: Iterable[Row]) -> Table:
    """The rows for people."""
    shown = Table("fault", *COLUMNS, "")
    for column in shown.columns[1:-1]:
        column.justify = "right"
    for row in rows:
        shown.add_row(row.fault, *_cells(row), row.told)
    return shown


def _cells(row: Row) -> list[str]:
    if row.skipped:
        return [""] * len(COLUMNS)
    counts = asdict(row.verdict)
    audio_lost_ms = counts.pop("audio_lost_ms")
    silence = "" if row.silence_s is None else f"{row.silence_s:.1f} s"
    return [str(row.sessions), *map(str, counts.values()), f"{audio_lost_ms} ms", silence]
