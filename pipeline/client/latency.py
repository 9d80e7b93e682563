"""What a listener waits: from speech to the first words on screen, and from its end to the text that stays.

The audio clock counts from the session's first sample, gaps included, so a moment on it plus the wall clock of that
sample is a moment on the wall clock. Transcripts carry the span of the speech itself, so waits count from its first
and last heard frame: the silence that confirms an end is part of the wait. All of it holds for paced audio only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from pipeline.domain.types import Transcript, TranscriptKind

STAGES: Final = ("captured", "received", "requested", "started", "recognised", "closed", "emitted", "arrived")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transcript and when it reached this client, wall clock."""

    transcript: Transcript
    at_ms: int


@dataclass(frozen=True, slots=True)
class Waits:
    """One figure a segment, in order of arrival, in milliseconds."""

    first_partial_ms: tuple[int, ...]
    final_ms: tuple[int, ...]


def final_wait_ms(arrival: Arrival, session_start_at_ms: int) -> int:
    """From the end of the segment's speech to the arrival of its text."""
    return arrival.at_ms - session_start_at_ms - arrival.transcript.end_ms


def waits(arrivals: Iterable[Arrival], started_at_ms: Mapping[str, int]) -> Waits:
    """The waits of the sessions in ``started_at_ms``: session id to the wall clock of its first sample."""
    first_partials: dict[tuple[str, int, int], int] = {}
    finals: list[int] = []
    for arrival in arrivals:
        transcript = arrival.transcript
        start_at_ms = started_at_ms[transcript.session_id]
        if transcript.kind is TranscriptKind.FINAL:
            finals.append(final_wait_ms(arrival, start_at_ms))
        elif transcript.kind is TranscriptKind.PARTIAL:
            segment = (transcript.session_id, transcript.channel, transcript.segment)
            first_partials.setdefault(segment, arrival.at_ms - start_at_ms - transcript.start_ms)
    return Waits(tuple(first_partials.values()), tuple(finals))


def stage_waits(arrival: Arrival) -> dict[str, int]:
    """``{"captured->received": ms, ...}``: each stage's share; stages without a time stamp are left out.

    An end that was confirmed while the engine was still at work took no time of its own.
    """
    times = arrival.transcript.times
    stamps = [(stage, getattr(times, f"{stage}_at_ms", arrival.at_ms)) for stage in STAGES]
    passed = [(stage, at_ms) for stage, at_ms in stamps if at_ms]
    in_order = list(accumulate((at_ms for _, at_ms in passed), max))
    names = [f"{one}->{next_one}" for (one, _), (next_one, _) in pairwise(passed)]
    return {name: to_ms - from_ms for name, (from_ms, to_ms) in zip(names, pairwise(in_order), strict=True)}
