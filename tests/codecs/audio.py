"""What the codec tests share: real speech, tones, ways to cut audio, and how far two signals differ."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from pipeline.codecs.encoders import make_encoder
from pipeline.domain.ports import AudioDecoder
from pipeline.domain.types import Codec, Pcm16

FORMATS = [
    (Codec.PCM_S16LE, 8000),
    (Codec.PCM_S16LE, 11025),
    (Codec.PCM_S16LE, 16000),
    (Codec.PCM_S16LE, 22050),
    (Codec.PCM_S16LE, 32000),
    (Codec.PCM_S16LE, 44100),
    (Codec.PCM_S16LE, 48000),
    (Codec.MULAW, 8000),
    (Codec.ALAW, 8000),
    (Codec.FLAC, 24000),
    (Codec.FLAC, 12000),
    (Codec.OPUS, 8000),
    (Codec.OPUS, 16000),
    (Codec.OPUS, 48000),
]
"""Every codec, and every way a rate can relate to 16 kHz."""


@cache
def speech(sample_rate_hz: int, channels: int = 1, seconds: float = 2.5) -> Pcm16:
    """Real speech, shape (channels, samples), dtype int16; the second channel is another stretch of it."""
    start_s = 3
    rows = [_recording(sample_rate_hz, start_s + 4 * row, seconds) for row in range(channels)]
    audio = np.stack(rows)
    audio.flags.writeable = False
    return audio


def _recording(sample_rate_hz: int, start_s: float, seconds: float) -> Pcm16:
    with soundfile.SoundFile(_recording_path()) as file:
        rate = file.samplerate
        file.seek(int(start_s * rate))
        audio = soxr.resample(file.read(int(seconds * rate)) * 32767, rate, sample_rate_hz)
    pcm: Pcm16 = np.clip(np.rint(audio), -32768, 32767).astype(np.int16)
    return pcm


def _recording_path() -> Path:
    # The wheel's recordings are found without importing it: that would load its native library.
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        pytest.skip("needs the recordings inside the moonshine-voice wheel")
    return Path(spec.origin).parent / "assets" / "two_cities.wav"


@cache
def packets(codec: Codec, sample_rate_hz: int, channels: int, seconds: float = 2.5) -> tuple[bytes, ...]:
    """Real speech as 20 ms packets."""
    encoder = make_encoder(codec, sample_rate_hz, channels)
    return tuple(encoder.encode(speech(sample_rate_hz, channels, seconds)) + encoder.flush())


def chunks(items: Sequence[bytes], size: int = 5) -> list[Sequence[bytes]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def decode_all(decoder: AudioDecoder, pieces: Iterable[Sequence[bytes]]) -> Pcm16:
    """Shape (channels, samples): every piece decoded, one after the other."""
    return np.concatenate([decoder.decode(piece) for piece in pieces], axis=1)


def snr_db(reference: NDArray[np.generic], actual: NDArray[np.generic]) -> float:
    """Signal to noise of ``actual`` as far as both reach, in decibels."""
    samples = min(len(reference), len(actual))
    signal = reference[:samples].astype(np.float64)
    noise = signal - actual[:samples].astype(np.float64)
    return float(10 * np.log10(np.sum(signal**2) / max(np.sum(noise**2), 1e-9)))
