"""Transcripts and chunks with only what a test is about."""

from typing import Any

from pipeline.client.latency import Arrival
from pipeline.domain.types import AudioChunk, Codec, StageTimes, Transcript, TranscriptKind

PLAIN: dict[str, Any] = {
    "session_id": "s",
    "tenant": "default",
    "kind": TranscriptKind.FINAL,
    "channel": 0,
    "segment": 0,
    "revision": 0,
    "text": "hello there",
    "stable_chars": 0,
    "start_ms": 0,
    "end_ms": 1000,
    "words": (),
    "language": None,
    "model": "scripted",
    "model_version": "1",
    "degraded": False,
    "gap_ms": 0,
    "source_partition": 0,
    "source_first_offset": 0,
    "source_last_offset": 0,
    "times": StageTimes(),
}


def final(**fields: Any) -> Transcript:
    return Transcript(**PLAIN | fields)


def partial(**fields: Any) -> Transcript:
    return final(kind=TranscriptKind.PARTIAL, **fields)


def session_end(session_id: str = "s") -> Transcript:
    return final(kind=TranscriptKind.SESSION_END, session_id=session_id, text="")


def arrival(transcript: Transcript, at_ms: int = 0) -> Arrival:
    return Arrival(transcript, at_ms)


def chunk(seq: int = 0, session_id: str = "s", end_of_stream: bool = False) -> AudioChunk:
    return AudioChunk(session_id, seq, seq * 100, Codec.PCM_S16LE, 16_000, 1, (bytes(3200),), end_of_stream)
