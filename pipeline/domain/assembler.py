"""From the results of a session's requests to the transcripts its consumers read.

Results and the ends of segments come on two ways and in any order between them. Partials go out as they come while
their segment is open; the final of a closed segment goes out once its result is there, in the order in which the
segments closed; the end of the session goes out last. What is known of a session is kept for a while after its end, so
that answers which straggle are recognised as such; later ones are told by their age.
"""

from collections import deque
from dataclasses import replace
from typing import Final, TypedDict

from pipeline.domain.agreement import Agreement
from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.ports import Plain
from pipeline.domain.snapshots import SnapshotFormat
from pipeline.domain.types import (
    InferenceResult,
    RequestKind,
    SegmentClosed,
    SessionEnded,
    StageTimes,
    Transcript,
    TranscriptKind,
)

TRANSCRIPTS: Final = SnapshotFormat("a session's transcripts", oldest=1)


MEMORY_MS: Final = 60_000
"""How long the transcripts of a session that ended are remembered."""

DOUBT_MS: Final = 3_600_000
"""How long an answer is kept that came so late that it may be to a session that is over."""


class OpenSegment:
    """What is known of a segment whose final has not gone out."""

    def __init__(self) -> None:
        self.agreement = Agreement()
        self.shown_revision = -1
        self.candidate: InferenceResult | None = None

    @property
    def answered_at_ms(self) -> int:
        """When the engine gave the candidate; 0 while there is none."""
        return self.candidate.times.recognised_at_ms if self.candidate else 0

    def take(self, result: InferenceResult) -> None:
        """Keep what may turn out to be the final: the newest result that was asked for as one."""
        newer = self.candidate is None or result.revision > self.candidate.revision
        if result.kind is not RequestKind.PARTIAL and newer:
            self.candidate = result


PlainSegment = tuple[int, int, list[str], list[str], int, Plain]
"""Channel, number, settled words, tail, newest revision shown, candidate for the final."""


class AssemblerSnapshot(TypedDict):
    """Plain data only. ``TRANSCRIPTS`` reads ``version`` before anything else is read."""

    version: int
    open: list[PlainSegment]
    closing: list[tuple[str, Plain]]
    emitted: dict[int, int]
    ended_at_ms: int | None


class Assembler:
    """The transcripts of one session, remembered for ``memory_ms`` after its end.

    An answer half as old as that may be to a session that was forgotten (half, since clocks differ): it is not shown as
    a partial, and unless it may yet become a final it is dropped.
    """

    def __init__(self, memory_ms: int = MEMORY_MS) -> None:
        self._memory_ms = memory_ms
        self._open: dict[tuple[int, int], OpenSegment] = {}
        self._closing: deque[SegmentClosed | SessionEnded] = deque()
        self._emitted: dict[int, int] = {}
        self._ended_at_ms: int | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing is known."""
        return self._ended_at_ms is None and not (self._open or self._closing or self._emitted)

    def forgettable_at_ms(self) -> int | None:
        """From when on all of this may be forgotten; None while the session goes on, for its end will come."""
        if self._ended_at_ms is not None:
            return self._ended_at_ms + self._memory_ms
        if self._emitted or self._closing or not all(self._is_doubtful(segment) for segment in self._open.values()):
            return None
        return max((segment.answered_at_ms + DOUBT_MS for segment in self._open.values()), default=None)

    def on_result(self, result: InferenceResult, now_ms: int) -> list[Transcript]:
        """Take the answer to a request."""
        old = self._is_old(result, now_ms)
        if self._is_over(result) or (old and result.kind is RequestKind.PARTIAL):
            return []
        self._ended_at_ms = None  # every segment closes before the end: a later one means that the session goes on
        segment = self._open.setdefault((result.channel, result.segment), OpenSegment())
        segment.take(result)
        if result.kind is RequestKind.FINAL or self._is_closing(result):
            return self._settle(now_ms)
        return [] if old else self._partial(segment, result, now_ms)

    def on_closed(self, marker: SegmentClosed | SessionEnded, now_ms: int) -> list[Transcript]:
        """Take the certainty that a segment, or the session, has ended."""
        if isinstance(marker, SegmentClosed):
            self._ended_at_ms = None
        self._closing.append(marker)
        return self._settle(now_ms)

    def snapshot(self) -> AssemblerSnapshot:
        return {
            "version": TRANSCRIPTS.version,
            "open": [_plain_segment(*key, segment) for key, segment in self._open.items()],
            "closing": [(type(marker).__name__, to_plain(marker)) for marker in self._closing],
            "emitted": dict(self._emitted),
            "ended_at_ms": self._ended_at_ms,
        }

    @classmethod
    def restored(cls, saved: AssemblerSnapshot, memory_ms: int = MEMORY_MS) -> "Assembler":
        """The assembler of a snapshot. Raises UnknownSnapshot."""
        saved = TRANSCRIPTS.upgraded(saved)
        assembler = cls(memory_ms)
        for channel, number, settled, tail, shown, candidate in saved["open"]:
            segment = assembler._open[channel, number] = OpenSegment()
            segment.agreement = Agreement(tuple(settled), tuple(tail))
            segment.shown_revision = shown
            segment.candidate = from_plain(InferenceResult, candidate) if candidate is not None else None
        kinds: dict[str, type[SegmentClosed] | type[SessionEnded]] = {
            "SegmentClosed": SegmentClosed,
            "SessionEnded": SessionEnded,
        }
        assembler._closing.extend(from_plain(kinds[name], marker) for name, marker in saved["closing"])
        assembler._emitted = dict(saved["emitted"])
        assembler._ended_at_ms = saved["ended_at_ms"]
        return assembler

    def _is_doubtful(self, segment: OpenSegment) -> bool:
        """Whether all that is known of the segment is an answer that may be to a session which was forgotten."""
        answer = segment.candidate
        return answer is not None and segment.shown_revision < 0 and self._is_old(answer, segment.answered_at_ms)

    def _is_old(self, result: InferenceResult, now_ms: int) -> bool:
        asked_at_ms = result.times.requested_at_ms
        return asked_at_ms > 0 and now_ms - asked_at_ms >= self._memory_ms // 2

    def _is_over(self, result: InferenceResult) -> bool:
        return result.segment <= self._emitted.get(result.channel, -1)

    def _is_closing(self, result: InferenceResult) -> bool:
        return any(
            isinstance(marker, SegmentClosed) and (marker.channel, marker.segment) == (result.channel, result.segment)
            for marker in self._closing
        )

    def _partial(self, segment: OpenSegment, result: InferenceResult, now_ms: int) -> list[Transcript]:
        if result.revision <= segment.shown_revision or result.error is not None:
            return []
        segment.shown_revision = result.revision
        segment.agreement = segment.agreement.after(result.hypothesis.text)
        caption = segment.agreement.caption()
        return [_transcript_of(result, TranscriptKind.PARTIAL, caption.text, caption.stable_chars, now_ms)]

    def _settle(self, now_ms: int) -> list[Transcript]:
        settled: list[Transcript] = []
        while self._closing:
            transcript = self._next_settled(self._closing[0], now_ms)
            if transcript is None:
                break
            settled.append(transcript)
            self._closing.popleft()
        return settled

    def _next_settled(self, marker: SegmentClosed | SessionEnded, now_ms: int) -> Transcript | None:
        if isinstance(marker, SessionEnded):
            self._ended_at_ms = now_ms
            self._open.clear()
            return _session_end(marker, now_ms)
        segment = self._open.get((marker.channel, marker.segment))
        if segment is None or segment.candidate is None or segment.candidate.revision != marker.revision:
            return None
        del self._open[marker.channel, marker.segment]
        self._emitted[marker.channel] = marker.segment
        return _final(segment.candidate, marker, now_ms)


def _plain_segment(channel: int, number: int, segment: OpenSegment) -> PlainSegment:
    agreement = segment.agreement
    candidate = None if segment.candidate is None else to_plain(segment.candidate)
    return channel, number, list(agreement.settled), list(agreement.tail), segment.shown_revision, candidate


def _transcript_of(
    result: InferenceResult, kind: TranscriptKind, text: str, stable_chars: int, now_ms: int
) -> Transcript:
    return Transcript(
        session_id=result.session_id,
        tenant=result.tenant,
        kind=kind,
        channel=result.channel,
        segment=result.segment,
        revision=result.revision,
        text=text,
        stable_chars=stable_chars,
        start_ms=result.start_ms,
        end_ms=result.end_ms,
        words=result.hypothesis.words if text == result.hypothesis.text else (),
        language=result.language,
        model=result.model,
        model_version=result.model_version,
        degraded=result.degraded,
        gap_ms=0,
        source_partition=-1,
        source_first_offset=-1,
        source_last_offset=-1,
        times=replace(result.times, emitted_at_ms=now_ms),
        error=result.error,
    )


def _final(result: InferenceResult, marker: SegmentClosed, now_ms: int) -> Transcript:
    text = result.hypothesis.text
    return replace(
        _transcript_of(result, TranscriptKind.FINAL, text, len(text), now_ms),
        revision=marker.revision + 1,  # its early final may have been shown under its own number, with other words
        start_ms=marker.start_ms,
        end_ms=marker.end_ms,
        gap_ms=marker.gap_ms,
        source_partition=marker.source_partition,
        source_first_offset=marker.source_first_offset,
        source_last_offset=marker.source_last_offset,
        times=replace(result.times, closed_at_ms=marker.closed_at_ms, emitted_at_ms=now_ms),
    )


def _session_end(marker: SessionEnded, now_ms: int) -> Transcript:
    return Transcript(
        session_id=marker.session_id,
        tenant=marker.tenant,
        kind=TranscriptKind.SESSION_END,
        channel=0,
        segment=marker.segments,
        revision=0,
        text="",
        stable_chars=0,
        start_ms=0,
        end_ms=marker.duration_ms,
        words=(),
        language=None,
        model="",
        model_version="",
        degraded=False,
        gap_ms=marker.gap_ms,
        source_partition=marker.source_partition,
        source_first_offset=marker.source_first_offset,
        source_last_offset=marker.source_last_offset,
        times=StageTimes(closed_at_ms=marker.ended_at_ms, emitted_at_ms=now_ms),
    )
