"""Encoders for producers: 16-bit audio of any length in, packets of 20 ms out."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from pipeline.codecs.flac import encode_flac
from pipeline.codecs.g711 import encode_alaw, encode_mulaw
from pipeline.codecs.opus import opus_library
from pipeline.codecs.pcm import encode_pcm
from pipeline.codecs.validate import check_format
from pipeline.domain.types import Codec, Pcm16
from pipeline.errors import SetupError, UnknownCodec

FRAME_MS: Final = 20
DEFAULT_BITRATE: Final = 32_000
"""Bits per second and channel: speech at full bandwidth."""

_MAX_OPUS_BYTES: Final = 4000
"""What libopus recommends for an output buffer; a 20 ms packet has at most 1275 bytes a channel."""


class AudioEncoder(Protocol):
    """Cuts one stream into frames of FRAME_MS and codes each into a packet."""

    def encode(self, pcm: Pcm16) -> list[bytes]:
        """The packets that are full. ``pcm``: shape (channels, samples), dtype int16, the encoder's rate."""
        ...

    def flush(self) -> list[bytes]:
        """The packet of the last frame, padded with silence; none if nothing is left."""
        ...


def make_encoder(
    codec: Codec, sample_rate_hz: int, channels: int, bitrate: int = DEFAULT_BITRATE, application: str = "audio"
) -> AudioEncoder:
    """An encoder for one session. Raises InvalidChunk for a rate the codec cannot have, and SetupError.

    Opus only: ``bitrate`` in bits per second and channel; ``application`` is "audio",
    which stays close to the input, as recognisers want it, or "voip", which favours the ear.
    """
    check_format(codec, sample_rate_hz, channels)
    return FrameEncoder(_frame_coder(codec, sample_rate_hz, channels, bitrate, application), sample_rate_hz, channels)


class FrameEncoder:
    """Keeps what does not fill a frame yet."""

    def __init__(self, code: Callable[[Pcm16], bytes], sample_rate_hz: int, channels: int) -> None:
        self._code = code
        # At 11025 and 22050 Hz a frame is half a sample short of, or exactly, 20 ms.
        self._frame = sample_rate_hz * FRAME_MS // 1000
        self._rest: Pcm16 = np.zeros((channels, 0), np.int16)

    def encode(self, pcm: Pcm16) -> list[bytes]:
        audio = np.concatenate([self._rest, pcm], axis=1)
        full = audio.shape[1] - audio.shape[1] % self._frame
        self._rest = audio[:, full:]
        return [self._code(audio[:, at : at + self._frame]) for at in range(0, full, self._frame)]

    def flush(self) -> list[bytes]:
        missing = -self._rest.shape[1] % self._frame
        return self.encode(np.zeros((len(self._rest), missing), np.int16))


def _frame_coder(
    codec: Codec, sample_rate_hz: int, channels: int, bitrate: int, application: str
) -> Callable[[Pcm16], bytes]:
    match codec:
        case Codec.PCM_S16LE:
            return encode_pcm
        case Codec.MULAW:
            return encode_mulaw
        case Codec.ALAW:
            return encode_alaw
        case Codec.FLAC:
            return partial(encode_flac, sample_rate_hz=sample_rate_hz)
        case Codec.OPUS:
            return _OpusFrames(sample_rate_hz, channels, bitrate * channels, application)
    raise UnknownCodec(f"codec {codec!r}: use one of {', '.join(Codec)}")


class _OpusFrames:
    """One encoder in libopus's memory, freed with this object."""

    def __init__(self, sample_rate_hz: int, channels: int, bitrate: int, application: str) -> None:
        library = opus_library()
        if (kind := library.APPLICATION_TYPES_MAP.get(application)) is None:
            known = ", ".join(library.APPLICATION_TYPES_MAP)
            raise SetupError(f"Opus application {application!r}: use one of {known}")
        self._api: Any = library.api.encoder
        self._state = self._api.create_state(sample_rate_hz, channels, kind)
        weakref.finalize(self, self._api.destroy, self._state)
        self._api.encoder_ctl(self._state, library.api.ctl.set_bitrate, bitrate)

    def __call__(self, pcm: Pcm16) -> bytes:
        return bytes(self._api.encode(self._state, encode_pcm(pcm), pcm.shape[1], _MAX_OPUS_BYTES))
