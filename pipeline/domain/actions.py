"""What a session asks for and tells: the values that come out of it, filled in from its progress."""

from dataclasses import dataclass

from pipeline.domain.session_snapshot import Progress
from pipeline.domain.track import Closed, Wanted
from pipeline.domain.types import (
    SAMPLES_PER_MS,
    InferenceRequest,
    Received,
    SegmentClosed,
    SessionEnded,
    StageTimes,
)
from pipeline.errors import RejectedRecord


@dataclass(frozen=True, slots=True)
class Rejected:
    """A chunk that could not be used, and why."""

    received: Received
    error: RejectedRecord


Action = InferenceRequest | SegmentClosed | SessionEnded | Rejected


def request_of(at: Progress, wanted: Wanted, channel: int, now_ms: int) -> InferenceRequest:
    """The request for what a channel's track wants."""
    end_ms = wanted.end_sample // SAMPLES_PER_MS
    return InferenceRequest(
        session_id=at.session_id,
        tenant=at.tenant,
        channel=channel,
        segment=wanted.segment,
        revision=wanted.revision,
        kind=wanted.kind,
        start_ms=wanted.start_sample // SAMPLES_PER_MS,
        end_ms=end_ms,
        audio=wanted.audio.tobytes(),
        language=at.language,
        times=StageTimes(
            captured_at_ms=at.origin_at_ms + end_ms,
            received_at_ms=at.stored_at_ms or now_ms,
            requested_at_ms=now_ms,
        ),
    )


def closed_of(at: Progress, closed: Closed, channel: int, now_ms: int) -> SegmentClosed:
    """The marker of a channel's segment that ended."""
    return SegmentClosed(
        session_id=at.session_id,
        tenant=at.tenant,
        channel=channel,
        segment=closed.segment,
        revision=closed.revision,
        start_ms=closed.start_sample // SAMPLES_PER_MS,
        end_ms=closed.end_sample // SAMPLES_PER_MS,
        gap_ms=closed.gap_ms,
        source_partition=at.partition,
        source_first_offset=closed.first_offset,
        source_last_offset=closed.last_offset,
        closed_at_ms=now_ms,
    )


def ended_of(at: Progress, duration_ms: int, now_ms: int) -> SessionEnded:
    """The marker of the session's end."""
    return SessionEnded(
        session_id=at.session_id,
        tenant=at.tenant,
        segments=at.segments,
        duration_ms=duration_ms,
        gap_ms=at.gap_ms,
        source_partition=at.partition,
        source_first_offset=at.first_offset,
        source_last_offset=at.last_offset,
        ended_at_ms=now_ms,
    )
