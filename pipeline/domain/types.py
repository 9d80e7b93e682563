"""The words of this field as values, and the units they carry.

Glossary
    session     one live audio stream from its first chunk to its end; everything is keyed by its id
    chunk       what a producer sends at once, usually 100 ms: one or more packets of one codec
    packet      the smallest piece a codec can decode
    channel     one voice of a session (0 is mono or left); each channel is recognised on its own
    audio clock milliseconds since the first sample of the session; gaps count, so it never drifts from wall time
    segment     a stretch of speech between two silences; numbered from 0 within its channel
    hypothesis  what an engine says a stretch of audio contains
    revision    the number of a request within its segment; rises, may leave holes (requests can be shed); that of the
                final text is one more than its request's, since an early final may have been shown as a partial
    partial     a transcript that a later one replaces
    final       the one transcript of a segment that nothing replaces
    early final a final asked for at the possible end of speech, used if the end is confirmed

Units are in the names: ``_ms`` milliseconds, ``_hz`` hertz, ``_samples`` samples at SAMPLE_RATE_HZ.
Names in ``_at_ms`` are wall-clock milliseconds since 1970 (UTC); plain ``start_ms`` and ``end_ms`` are on the
session's audio clock.

Audio inside the pipeline is 16-bit: shape (samples,), dtype int16, 16 kHz. Engines take float32 in [-1, 1].
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16_000
SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000

Pcm16 = NDArray[np.int16]
"""Shape (samples,), dtype int16, SAMPLE_RATE_HZ."""

Pcm = NDArray[np.float32]
"""Shape (samples,), dtype float32 in [-1, 1], SAMPLE_RATE_HZ."""


class Codec(StrEnum):
    """How the packets of a chunk are coded."""

    PCM_S16LE = "PCM_S16LE"
    OPUS = "OPUS"
    MULAW = "MULAW"
    ALAW = "ALAW"
    FLAC = "FLAC"


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """What a producer publishes; see schemas/audio_chunk.avsc for each field's meaning."""

    session_id: str
    seq: int
    captured_at_ms: int
    codec: Codec
    sample_rate_hz: int
    channels: int
    packets: tuple[bytes, ...]
    end_of_stream: bool = False
    tenant: str = "default"
    language: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded and valid chunk as it reaches its session, with the bytes it came in and where they stand.

    ``at_ms`` is when the job took it up, ``stored_at_ms`` when Kafka stored it (the record's own time stamp).
    """

    chunk: AudioChunk
    raw: bytes
    source: SourcePosition
    at_ms: int
    stored_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """One word; times are on the audio clock, None where the engine gives none. Confidence is in [0, 1]."""

    text: str
    confidence: float | None = None
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What an engine says a stretch of audio contains; an empty text means that nothing was said.

    ``tokens`` spell it in the engine's own units, if it has any: a draft for a longer stretch of the same speech.
    """

    text: str
    words: tuple[Word, ...] = ()
    tokens: tuple[int, ...] = field(default=(), compare=False, repr=False)


class RequestKind(IntEnum):
    """Why a text is wanted; a lower value is served first."""

    FINAL = 0
    EARLY_FINAL = 1
    PARTIAL = 2


@dataclass(frozen=True, slots=True)
class StageTimes:
    """When one transcript passed each stage, wall clock; 0 where it has not. Latency splits by subtraction.

    ``captured_at_ms`` is when the last sample of the recognised stretch was captured; ``closed_at_ms`` when the end
    of a final's segment was confirmed, which may come after its (early) recognition.
    """

    captured_at_ms: int = 0
    received_at_ms: int = 0
    requested_at_ms: int = 0
    started_at_ms: int = 0
    recognised_at_ms: int = 0
    closed_at_ms: int = 0
    emitted_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A text wanted for a stretch of one segment. ``audio`` is PCM 16-bit little-endian at SAMPLE_RATE_HZ."""

    session_id: str
    tenant: str
    channel: int
    segment: int
    revision: int
    kind: RequestKind
    start_ms: int
    end_ms: int
    audio: bytes
    language: str | None
    times: StageTimes


@dataclass(frozen=True, slots=True)
class InferenceResult:
    """The answer to one request (its audio left out); ``error`` names why no text could be had."""

    session_id: str
    tenant: str
    channel: int
    segment: int
    revision: int
    kind: RequestKind
    start_ms: int
    end_ms: int
    hypothesis: Hypothesis
    language: str | None
    model: str
    model_version: str
    times: StageTimes
    degraded: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """The end of a segment is certain: the result of its request ``revision`` is the final text."""

    session_id: str
    tenant: str
    channel: int
    segment: int
    revision: int
    start_ms: int
    end_ms: int
    gap_ms: int
    source_partition: int
    source_first_offset: int
    source_last_offset: int
    closed_at_ms: int


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Nothing more will come of this session; ``segments`` were closed over all channels."""

    session_id: str
    tenant: str
    segments: int
    duration_ms: int
    gap_ms: int
    source_partition: int
    source_first_offset: int
    source_last_offset: int
    ended_at_ms: int


class TranscriptKind(StrEnum):
    """What a transcript record says."""

    PARTIAL = "PARTIAL"
    FINAL = "FINAL"
    SESSION_END = "SESSION_END"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What consumers read; see schemas/transcript.avsc for each field's meaning."""

    session_id: str
    tenant: str
    kind: TranscriptKind
    channel: int
    segment: int
    revision: int
    text: str
    stable_chars: int
    start_ms: int
    end_ms: int
    words: tuple[Word, ...]
    language: str | None
    model: str
    model_version: str
    degraded: bool
    gap_ms: int
    source_partition: int
    source_first_offset: int
    source_last_offset: int
    times: StageTimes
    error: str | None = None

    @property
    def is_final(self) -> bool:
        return self.kind is TranscriptKind.FINAL


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, whole, with where it stood and why."""

    raw: bytes
    source: SourcePosition
    error: str
    message: str
    session_id: str | None
    rejected_at_ms: int
