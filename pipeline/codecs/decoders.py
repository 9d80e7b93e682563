"""The decoder of a session, by codec: `make_decoder` is the domain's DecoderFactory."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np

from pipeline.codecs.flac import decode_flac
from pipeline.codecs.g711 import decode_alaw, decode_mulaw
from pipeline.codecs.opus import OpusDecoder
from pipeline.codecs.pcm import decode_pcm
from pipeline.codecs.resample import Resampler
from pipeline.codecs.validate import MAX_DURATION_MS, check_format
from pipeline.domain.ports import AudioDecoder, Plain
from pipeline.domain.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Codec, Pcm16
from pipeline.errors import UndecodablePacket, UnknownCodec

PacketReader = Callable[[bytes], Pcm16]
"""One packet to audio: shape (channels, samples), dtype int16, at the packet's rate. Raises UndecodablePacket."""


def make_decoder(
    codec: Codec, sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None = None
) -> AudioDecoder:
    """A decoder for one session, fresh or from a snapshot. Raises UnknownCodec, InvalidChunk and SetupError."""
    if codec not in _MAKERS:
        raise UnknownCodec(f"codec {codec!r}: send one of {', '.join(Codec)}")
    check_format(codec, sample_rate_hz, channels)
    return _MAKERS[codec](sample_rate_hz, channels, snapshot)


class PacketDecoder:
    """For codecs whose packets stand alone: only the resampler remembers anything."""

    def __init__(
        self, read: PacketReader, sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None
    ) -> None:
        self._read = read
        self._channels = channels
        self._max_samples = sample_rate_hz * MAX_DURATION_MS // 1000
        needed = sample_rate_hz != SAMPLE_RATE_HZ
        self._resampler = Resampler(sample_rate_hz, channels, snapshot) if needed else None

    def decode(self, packets: Sequence[bytes]) -> Pcm16:
        """Shape (channels, samples), dtype int16, 16 kHz. A refused chunk leaves the decoder as it was before it."""
        pcm = self._joined(packets)
        return self._resampler.feed(pcm) if self._resampler else pcm

    def conceal(self, duration_ms: int) -> Pcm16:
        """Silence: shape (channels, duration_ms * 16), dtype int16; first comes what the resampler held back."""
        if self._resampler:
            return self._resampler.skip(duration_ms)
        return np.zeros((self._channels, duration_ms * SAMPLES_PER_MS), np.int16)

    def snapshot(self) -> dict[str, Plain]:
        return self._resampler.snapshot() if self._resampler else {}

    def _joined(self, packets: Sequence[bytes]) -> Pcm16:
        """All packets, or UndecodablePacket as soon as they are too long: a small FLAC packet can hold a second."""
        pieces, samples = [np.zeros((self._channels, 0), np.int16)], 0
        for packet in packets:
            pieces.append(self._read(packet))
            samples += pieces[-1].shape[1]
            if samples > self._max_samples:
                raise UndecodablePacket(f"the chunk's packets hold more than {MAX_DURATION_MS} ms: send less a chunk")
        return np.concatenate(pieces, axis=1)


def _pcm(sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None) -> AudioDecoder:
    return PacketDecoder(partial(decode_pcm, channels=channels), sample_rate_hz, channels, snapshot)


def _mulaw(sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None) -> AudioDecoder:
    return PacketDecoder(partial(decode_mulaw, channels=channels), sample_rate_hz, channels, snapshot)


def _alaw(sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None) -> AudioDecoder:
    return PacketDecoder(partial(decode_alaw, channels=channels), sample_rate_hz, channels, snapshot)


def _flac(sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None) -> AudioDecoder:
    read = partial(decode_flac, sample_rate_hz=sample_rate_hz, channels=channels)
    return PacketDecoder(read, sample_rate_hz, channels, snapshot)


def _opus(sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None) -> AudioDecoder:
    """libopus decodes to 16 kHz from any rate, so the rate does not matter here."""
    return OpusDecoder(channels, snapshot)


_MAKERS: Final[dict[Codec, Callable[[int, int, dict[str, Plain] | None], AudioDecoder]]] = {
    Codec.PCM_S16LE: _pcm,
    Codec.MULAW: _mulaw,
    Codec.ALAW: _alaw,
    Codec.FLAC: _flac,
    Codec.OPUS: _opus,
}
