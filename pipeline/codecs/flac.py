"""FLAC (RFC 9639): each packet is a complete small stream, of at most a second."""

from io import BytesIO
from typing import Final

import numpy as np
import soundfile

from pipeline.domain.types import Pcm16
from pipeline.errors import UndecodablePacket

_MARKER: Final = b"fLaC"
_MAX_SECONDS: Final = 1


def decode_flac(packet: bytes, sample_rate_hz: int, channels: int) -> Pcm16:
    """Shape (channels, samples), dtype int16, at ``sample_rate_hz``. Raises UndecodablePacket.

    A stream that names another rate or other channels than the session is refused, and so is one beyond a second: its
    header may promise any length, and that much memory would be taken.
    """
    if not packet.startswith(_MARKER):
        raise _refused(packet, f"does not start with {_MARKER!r}: send a complete FLAC stream in each packet")
    try:
        with soundfile.SoundFile(BytesIO(packet)) as stream:
            _check_format(packet, stream, sample_rate_hz, channels)
            pcm = stream.read(sample_rate_hz * _MAX_SECONDS + 1, dtype="int16", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as exc:
        raise _refused(packet, f"cannot be decoded: {exc}") from exc
    if len(pcm) > sample_rate_hz * _MAX_SECONDS:
        raise _refused(packet, f"is longer than {_MAX_SECONDS} s: send shorter ones")
    return np.ascontiguousarray(pcm.T)


def encode_flac(pcm: Pcm16, sample_rate_hz: int) -> bytes:
    """``pcm``: shape (channels, samples), dtype int16."""
    out = BytesIO()
    soundfile.write(out, pcm.T, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def _check_format(packet: bytes, stream: soundfile.SoundFile, sample_rate_hz: int, channels: int) -> None:
    if (stream.samplerate, stream.channels) != (sample_rate_hz, channels):
        raise _refused(
            packet,
            f"is {stream.samplerate} Hz with {stream.channels} channels, "
            f"its chunk says {sample_rate_hz} Hz with {channels}",
        )


def _refused(packet: bytes, reason: str) -> UndecodablePacket:
    return UndecodablePacket(f"FLAC packet of {len(packet)} bytes {reason}")
