"""The ranges a chunk must keep, checked before anything is decoded."""

from collections.abc import Callable
from typing import Final

from pipeline.domain.types import AudioChunk, Codec
from pipeline.errors import InvalidChunk

MAX_CHUNK_BYTES: Final = 1_000_000
"""A raw record may be so large: Kafka's own default for a message, less its headers."""

MAX_SESSION_ID_CHARS: Final = 256
MIN_DURATION_MS: Final = 20
MAX_DURATION_MS: Final = 1000

_LINEAR_RATES_HZ: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_G711_RATES_HZ: Final = (8000, 16000)

SAMPLE_RATES_HZ: Final[dict[Codec, tuple[int, ...]]] = {
    Codec.PCM_S16LE: _LINEAR_RATES_HZ,
    Codec.FLAC: _LINEAR_RATES_HZ,
    Codec.MULAW: _G711_RATES_HZ,
    Codec.ALAW: _G711_RATES_HZ,
    Codec.OPUS: (8000, 12000, 16000, 24000, 48000),
}
"""The rates each codec may come in."""

SAMPLE_BYTES: Final[dict[Codec, int]] = {Codec.PCM_S16LE: 2, Codec.MULAW: 1, Codec.ALAW: 1}
"""Bytes of one sample, for the codecs whose duration follows from their size."""


def validate_chunk(chunk: AudioChunk, raw_size: int) -> None:
    """Raise InvalidChunk, naming session, seq, field, value and range, unless every field is in its range.

    ``raw_size`` is the record's size in bytes. Durations are checked where sizes tell them (PCM, G.711); the last
    chunk of a session may be shorter than MIN_DURATION_MS, or empty.
    """
    if raw_size > MAX_CHUNK_BYTES:
        raise _invalid(chunk, "record size", f"{raw_size} bytes", f"at most {MAX_CHUNK_BYTES}")
    for check in _CHECKS:
        check(chunk)


def check_format(codec: Codec, sample_rate_hz: int, channels: int) -> None:
    """Raise InvalidChunk unless a stream of the codec can have this rate and these channels."""
    rates = SAMPLE_RATES_HZ[codec]
    if sample_rate_hz not in rates:
        raise InvalidChunk(f"sample_rate_hz {sample_rate_hz} of {codec} audio: accepted are {_listed(rates)}")
    if channels not in (1, 2):
        raise InvalidChunk(f"channels {channels} of {codec} audio: accepted are 1 and 2")


def _check_session_id(chunk: AudioChunk) -> None:
    if not 1 <= len(chunk.session_id) <= MAX_SESSION_ID_CHARS:
        value = f"of {len(chunk.session_id)} characters"
        raise _invalid(chunk, "session_id", value, f"1 to {MAX_SESSION_ID_CHARS} characters")


def _check_seq(chunk: AudioChunk) -> None:
    if chunk.seq < 0:
        raise _invalid(chunk, "seq", chunk.seq, "0 or more")


def _check_captured_at(chunk: AudioChunk) -> None:
    if chunk.captured_at_ms < 0:
        raise _invalid(chunk, "captured_at_ms", chunk.captured_at_ms, "0 or more")


def _check_sample_rate(chunk: AudioChunk) -> None:
    rates = SAMPLE_RATES_HZ[chunk.codec]
    if chunk.sample_rate_hz not in rates:
        raise _invalid(chunk, "sample_rate_hz", chunk.sample_rate_hz, f"for {chunk.codec} one of {_listed(rates)}")


def _check_channels(chunk: AudioChunk) -> None:
    if chunk.channels not in (1, 2):
        raise _invalid(chunk, "channels", chunk.channels, "1 or 2")


def _check_packets(chunk: AudioChunk) -> None:
    if not chunk.packets and not chunk.end_of_stream:
        raise _invalid(chunk, "packets", "none", "at least one, except with end_of_stream")


def _check_frames(chunk: AudioChunk) -> None:
    frame_bytes = SAMPLE_BYTES.get(chunk.codec, 1) * chunk.channels
    for index, packet in enumerate(chunk.packets):
        if chunk.codec in SAMPLE_BYTES and len(packet) % frame_bytes:
            expected = f"a multiple of {frame_bytes} ({chunk.channels} channels of {chunk.codec})"
            raise _invalid(chunk, f"packets[{index}]", f"{len(packet)} bytes", expected)


def _check_duration(chunk: AudioChunk) -> None:
    """Integer arithmetic, so that 20 ms of 11025 Hz (220.5 samples) may be sent as 220 or 221."""
    if chunk.codec not in SAMPLE_BYTES:
        return
    frames = sum(map(len, chunk.packets)) // (SAMPLE_BYTES[chunk.codec] * chunk.channels)
    shortest = 0 if chunk.end_of_stream else chunk.sample_rate_hz * MIN_DURATION_MS // 1000
    if not shortest <= frames <= chunk.sample_rate_hz * MAX_DURATION_MS // 1000:
        value = f"{frames * 1000 / chunk.sample_rate_hz:.1f} ms"
        raise _invalid(chunk, "duration", value, f"{MIN_DURATION_MS} to {MAX_DURATION_MS} ms")


_CHECKS: Final[tuple[Callable[[AudioChunk], None], ...]] = (
    _check_session_id,
    _check_seq,
    _check_captured_at,
    _check_sample_rate,
    _check_channels,
    _check_packets,
    _check_frames,
    _check_duration,
)


def _invalid(chunk: AudioChunk, field: str, value: object, accepted: str) -> InvalidChunk:
    # The id is cut, since an over-long one is among the things reported here.
    return InvalidChunk(
        f"session {chunk.session_id[:MAX_SESSION_ID_CHARS]!r} seq {chunk.seq}: {field} {value}, accepted is {accepted}"
    )


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))
