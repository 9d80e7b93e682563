"""What a demonstration showed, as one value: the text, its errors, and how long a listener waited."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.finding import Finding
from pipeline.client.latency import Arrival, Waits, waits
from pipeline.client.machine import machine
from pipeline.domain.scoring import WordErrors, percentiles, word_errors
from pipeline.domain.types import TranscriptKind

WORST_WORD_ERROR_RATE: Final = 0.10
PERCENTILES: Final = (50, 95)


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The outcome of playing one recording once; ``duration_s`` is the recording's, ``finding`` what a search gave."""

    transcript: str
    errors: WordErrors
    finals: int
    waits: Waits
    duration_s: float
    finding: Finding | None = None

    @property
    def problem(self) -> str | None:
        """Why the demonstration failed, in one line; None if it did not."""
        if self.finals == 0:
            return "no final text arrived: see `voxflow logs`"
        if self.errors.rate > WORST_WORD_ERROR_RATE:
            return f"word error rate {self.errors.rate:.1%} is above {WORST_WORD_ERROR_RATE:.0%}: see the text above"
        if self.finding is not None and not self.finding.hits:
            return f"{self.finding.words} was not found: does the text above hold it? See `voxflow logs elasticsearch`"
        return None

    def record(self) -> dict[str, Any]:
        """The same as plain data, for JSON, and the machine it was measured on; waits in milliseconds."""
        return {
            "transcript": self.transcript,
            "wer": round(self.errors.rate, 4),
            "word_errors": self.errors.total,
            "reference_words": self.errors.reference_words,
            "finals": self.finals,
            "first_partial_ms": percentiles(self.waits.first_partial_ms, PERCENTILES),
            "final_ms": percentiles(self.waits.final_ms, PERCENTILES),
            "duration_s": self.duration_s,
            "search": None if self.finding is None else self.finding.record(),
            "machine": machine(),
        }

    def view(self) -> RenderableType:
        """Transcript, word errors and a table of waits, for a terminal."""
        errors = self.errors
        rate = f"Word error rate {errors.rate:.1%}: {errors.total} of {errors.reference_words} words"
        kinds = f" ({errors.substitutions} replaced, {errors.deletions} missing, {errors.insertions} added)"
        return Group(Text("\nTranscript", "bold"), Text(self.transcript), Text(f"\n{rate}{kinds}\n"), self._table())

    def write(self, path: Path) -> None:
        """The record as JSON, in a folder that is made if need be."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.record(), indent=2, ensure_ascii=False) + "\n")

    def _table(self) -> Table:
        table = Table("what a listener waits", "p50", "p95", "segments", box=None)
        rows = {
            "start of speech to first words": self.waits.first_partial_ms,
            "end of speech to final text": self.waits.final_ms,
        }
        for name, values in rows.items():
            table.add_row(name, *map(_ms, percentiles(values, PERCENTILES).values()), str(len(values)))
        return table


def scorecard(
    arrivals: Sequence[Arrival], session_id: str, start_at_ms: int, reference: str, duration_s: float
) -> Scorecard:
    """The scorecard of one session, of which every transcript is among the arrivals."""
    finals = sorted(
        (arrival.transcript for arrival in arrivals if arrival.transcript.kind is TranscriptKind.FINAL),
        key=lambda final: final.start_ms,
    )
    text = " ".join(final.text for final in finals if final.text)
    return Scorecard(
        transcript=text,
        errors=word_errors(reference, text),
        finals=len(finals),
        waits=waits(arrivals, {session_id: start_at_ms}),
        duration_s=duration_s,
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
