"""Audio files as the chunks a live producer would have sent: wav, flac, ogg and mp3, read piece by piece.

Files of any length take the memory of a few blocks. Samples that leave here have shape (channels, samples), dtype
int16, at the file's own rate where the codec takes it, else at the next higher one it takes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from pipeline.codecs.encoders import FRAME_MS, make_encoder
from pipeline.codecs.validate import MAX_DURATION_MS, MIN_DURATION_MS, SAMPLE_RATES_HZ
from pipeline.domain.types import AudioChunk, Codec
from pipeline.errors import AudioFileError

MAX_CHANNELS: Final = 2

PcmBlock = NDArray[np.int16]
"""Shape (channels, samples), dtype int16."""

FloatBlock = NDArray[np.float32]
"""Shape (samples, channels), dtype float32 in [-1, 1], as soundfile and soxr take it."""

T = TypeVar("T")

_READABLE: Final = "wav, flac, ogg and mp3 can be read"


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says about itself; the duration of an mp3 is its header's estimate."""

    path: Path
    sample_rate_hz: int
    channels: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How a file becomes chunks. Raises ValueError for a duration that would split a packet."""

    codec: Codec = Codec.OPUS
    chunk_ms: int = 100
    tenant: str = "default"
    language: str | None = None

    def __post_init__(self) -> None:
        if self.chunk_ms % FRAME_MS or not MIN_DURATION_MS <= self.chunk_ms <= MAX_DURATION_MS:
            raise ValueError(
                f"chunks of {self.chunk_ms} ms: choose a multiple of {FRAME_MS} (one packet) "
                f"from {MIN_DURATION_MS} to {MAX_DURATION_MS}"
            )


def inspect_audio(path: Path) -> AudioInfo:
    """Rate, channels and duration, without reading the samples. Raises AudioFileError."""
    with _opened(path) as source:
        duration_ms = source.frames * 1000 // source.samplerate
        return AudioInfo(path, source.samplerate, source.channels, duration_ms)


def sample_rate_for(codec: Codec, file_rate_hz: int) -> int:
    """The file's own rate where the codec takes it, else the next higher one, else its highest."""
    rates = SAMPLE_RATES_HZ[codec]
    return next((rate for rate in sorted(rates) if rate >= file_rate_hz), max(rates))


def chunks_of_file(path: Path, session_id: str, plan: ChunkPlan, start_at_ms: int) -> Iterator[AudioChunk]:
    """The file as one session: seq from 0, ``captured_at_ms`` the start plus the chunk's place in the audio.

    The last chunk carries ``end_of_stream``. ``start_at_ms`` is wall clock. Raises AudioFileError, when the file is
    opened or where it is damaged.
    """
    info = inspect_audio(path)
    rate_hz = sample_rate_for(plan.codec, info.sample_rate_hz)
    encoder = make_encoder(plan.codec, rate_hz, info.channels)
    blocks = pcm_blocks(path, rate_hz, plan.chunk_ms)
    for seq, (block, is_last) in enumerate(with_last(blocks)):
        packets = encoder.encode(block) + (encoder.flush() if is_last else [])
        yield AudioChunk(
            session_id=session_id,
            seq=seq,
            captured_at_ms=start_at_ms + seq * plan.chunk_ms,
            codec=plan.codec,
            sample_rate_hz=rate_hz,
            channels=info.channels,
            packets=tuple(packets),
            end_of_stream=is_last,
            tenant=plan.tenant,
            language=plan.language,
        )


def pcm_blocks(path: Path, rate_hz: int, block_ms: int) -> Iterator[PcmBlock]:
    """The file at ``rate_hz`` in blocks of ``block_ms``, the last one shorter. Raises AudioFileError."""
    with _opened(path) as source:
        samples = _resampled(_read(source, path, block_ms), source.samplerate, rate_hz, source.channels)
        yield from _cut(samples, source.channels, rate_hz * block_ms)


def with_last(items: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Each item, and whether it is the last one: known one item late."""
    held: list[T] = []
    for item in items:
        if held:
            yield held.pop(), False
        held.append(item)
    if held:
        yield held.pop(), True


def _opened(path: Path) -> soundfile.SoundFile:
    if not path.exists():
        raise AudioFileError(f"{path}: no such file; {_READABLE}")
    if not path.is_file():
        raise AudioFileError(f"{path}: not a file; name the audio files themselves, as in {path}/*.wav")
    try:
        source = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, OSError) as exc:
        raise AudioFileError(f"{path}: not an audio file ({_reason(exc)}); {_READABLE}") from exc
    _check_contents(source, path)
    return source


def _check_contents(source: soundfile.SoundFile, path: Path) -> None:
    """Raises AudioFileError, with the file closed, unless it holds samples of one or two channels."""
    problem = ""
    if source.frames == 0:
        problem = "holds no audio; record it again or leave it out"
    elif source.channels > MAX_CHANNELS:
        problem = f"has {source.channels} channels, 1 or 2 are taken; mix it down first"
    if problem:
        source.close()
        raise AudioFileError(f"{path}: {problem}")


def _read(source: soundfile.SoundFile, path: Path, block_ms: int) -> Iterator[FloatBlock]:
    """Float, since only that is scaled alike for every kind of file; 16-bit samples survive the way unchanged."""
    try:
        yield from source.blocks(max(source.samplerate * block_ms // 1000, 1), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as exc:
        raise AudioFileError(f"{path}: damaged ({_reason(exc)}); convert or fetch it again") from exc


def _resampled(blocks: Iterator[FloatBlock], from_hz: int, to_hz: int, channels: int) -> Iterator[FloatBlock]:
    if from_hz == to_hz:
        return blocks
    stream = soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32")
    pieces = (stream.resample_chunk(block) for block in blocks)
    tail = (stream.resample_chunk(np.zeros((0, channels), np.float32), last=True) for _ in range(1))
    return chain(pieces, tail)


def _cut(pieces: Iterable[FloatBlock], channels: int, samples_times_1000: int) -> Iterator[PcmBlock]:
    """Blocks of an exact duration from pieces of any length. The length of a block is given in 1/1000 samples.

    Block n ends at sample n * length, rounded down: so 100 ms of 11025 Hz are 1102 or 1103 samples and never drift.
    """
    held = np.zeros((0, channels), np.float32)
    number = taken = 0
    for piece in pieces:
        held = np.concatenate((held, piece))
        while len(held) >= (length := (number + 1) * samples_times_1000 // 1000 - taken):
            yield _to_pcm16(held[:length])
            held, taken, number = held[length:], taken + length, number + 1
    if len(held):
        yield _to_pcm16(held)


def _to_pcm16(block: FloatBlock) -> PcmBlock:
    """(samples, channels) float32 to (channels, samples) int16."""
    scaled: FloatBlock = np.rint(block.T * np.float32(32768))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def _reason(exc: Exception) -> str:
    """libsndfile's own words, without the path that soundfile puts before them."""
    return str(getattr(exc, "error_string", exc)).strip().rstrip(".")
