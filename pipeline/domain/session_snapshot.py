"""What of a session outlives it: its progress, and the snapshot of all its parts but the retained audio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from pipeline.domain.cadence import NO_MARKS
from pipeline.domain.ordering import Ordering, OrderingSettings, OrderingState
from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.ports import AudioDecoder, DecoderFactory, DetectorFactory, Plain
from pipeline.domain.retained_audio import AudioBlock
from pipeline.domain.snapshots import SnapshotFormat
from pipeline.domain.track import Track, TrackSettings, TrackSnapshot
from pipeline.domain.types import Codec, Received


def _with_marks(saved: Any) -> Any:
    """Version 1 had one pace for partials."""
    return {**saved, "tracks": [{**track, "place": _marked(**track["place"])} for track in saved["tracks"]]}


def _marked(asked_ms: int, **place: Any) -> dict[str, Any]:
    return {**place, "marks": [asked_ms] * len(NO_MARKS)}


SESSION: Final = SnapshotFormat("a session", oldest=1, upgrades=(_with_marks,))

AudioFormat = tuple[str, int, int]
"""Codec, sample rate in hertz, channels."""


@dataclass
class Progress:
    """Who a session is and how far it has come: plain values, all in a snapshot.

    ``chunk_ms`` is the duration of the newest chunk, ``origin_at_ms`` the wall-clock time of the audio clock's zero as
    that chunk tells it, ``stored_at_ms`` when Kafka stored it, ``finished`` whether the producer itself ended the
    stream. ``heard_samples`` counts what was decoded, those of each channel.
    """

    session_id: str
    tenant: str
    language: str | None
    chunk_ms: int = 0
    origin_at_ms: int = 0
    gap_ms: int = 0
    heard_samples: int = 0
    segments: int = 0
    partition: int = -1
    first_offset: int = -1
    last_offset: int = -1
    ended_at_ms: int | None = None
    finished: bool = False
    stored_at_ms: int = 0


class SessionSnapshot(TypedDict):
    """Plain data only. ``SESSION`` reads ``version`` before anything else is read."""

    version: int
    progress: dict[str, Plain]
    ordering: tuple[int, int, list[tuple[int, int]], list[Plain]]
    format: AudioFormat | None
    decoder: dict[str, Plain] | None
    tracks: list[TrackSnapshot]


def session_snapshot(
    at: Progress,
    ordering: Ordering,
    audio_format: AudioFormat | None,
    decoder: AudioDecoder | None,
    tracks: Sequence[Track],
) -> SessionSnapshot:
    """The parts of a session as plain data."""
    order = ordering.snapshot()
    held = [to_plain(item) for item in order.held]
    return {
        "version": SESSION.version,
        "progress": vars(at).copy(),
        "ordering": (order.expected_seq, order.newest_captured_at_ms, list(order.gaps), held),
        "format": audio_format,
        "decoder": decoder.snapshot() if decoder else None,
        "tracks": [track.snapshot() for track in tracks],
    }


def restored_ordering(settings: OrderingSettings, saved: SessionSnapshot) -> Ordering:
    expected, newest, gaps, held = saved["ordering"]
    items = tuple(from_plain(Received, item) for item in held)
    return Ordering(settings, OrderingState(expected, newest, tuple(gaps), items))


def restored_format(saved: SessionSnapshot) -> AudioFormat | None:
    if saved["format"] is None:
        return None
    codec, sample_rate_hz, channels = saved["format"]
    return codec, sample_rate_hz, channels


def restored_decoder(make: DecoderFactory, saved: SessionSnapshot) -> AudioDecoder | None:
    audio_format = restored_format(saved)
    if audio_format is None or saved["decoder"] is None:
        return None
    codec, sample_rate_hz, channels = audio_format
    return make(Codec(codec), sample_rate_hz, channels, saved["decoder"])


def restored_tracks(
    settings: TrackSettings, make: DetectorFactory, saved: SessionSnapshot, audio: Mapping[int, list[AudioBlock]]
) -> list[Track]:
    """``audio``: the retained blocks of each channel."""
    tracks = []
    for channel, of_channel in enumerate(saved["tracks"]):
        track = Track(settings, make(of_channel["detector"]))
        track.restore(of_channel, tuple(audio.get(channel, ())))
        tracks.append(track)
    return tracks
