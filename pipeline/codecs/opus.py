"""Opus (RFC 6716) by libopus, through opuslib's thin layer: packets in, 16 kHz out, whatever the encoder's rate was.

A libopus decoder remembers, in native memory that cannot be written down. To continue after a crash with exactly the
samples of an undisturbed run, decoding goes in *epochs* of a second: at the end of each a fresh decoder is made and
primed with the last PRIMING_MS of packets, whose output is dropped (as RFC 7845, section 4.6, does after a seek; it
asks for 80 ms). Undisturbed runs do the same, so the packets since the last epoch's priming are the whole state: a
restored decoder replays them. The seams lie below the codec's own noise (tests/codecs/test_opus.py).

One build of libopus gives the same samples on one kind of processor. Builds and processors may differ in the last bit.
"""

import ctypes
import warnings
import weakref
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, Final, cast

import numpy as np

from pipeline.domain.ports import Plain
from pipeline.domain.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Pcm16
from pipeline.errors import SetupError, UndecodablePacket

EPOCH_SAMPLES: Final = 1000 * SAMPLES_PER_MS
PRIMING_SAMPLES: Final = 200 * SAMPLES_PER_MS

MAX_DECODED_MS: Final = 1000
"""Of one chunk. A byte can stand for 60 ms of silence, so a small record could otherwise fill the memory."""

MAX_PACKET_BYTES: Final = 8000
"""120 ms at 510 kbit/s, the most Opus is made for; longer ones are padding."""

EPOCH_BYTES: Final = 40_000
PRIMING_BYTES: Final = 16_000
"""These two bound the snapshot (to 48 kB) whatever the bit rate; at 32 kbit/s an epoch is 4 kB."""

_LONGEST_PACKET_SAMPLES: Final = 120 * SAMPLES_PER_MS
_INT16_POINTER: Final = ctypes.POINTER(ctypes.c_int16)


@cache
def opus_library() -> ModuleType:
    """The opuslib package. Raises SetupError if it, or the libopus it needs, is not installed."""
    try:
        with warnings.catch_warnings():
            # Its "is not" between numbers is a SyntaxWarning on every first import.
            warnings.simplefilter("ignore", SyntaxWarning)
            import opuslib.api.ctl
            import opuslib.api.decoder
            import opuslib.api.encoder
    except Exception as exc:  # opuslib raises a bare Exception where libopus is missing
        raise SetupError(
            f"Opus audio needs libopus ({exc}): apt-get install libopus0 (or brew install opus), "
            "and pip install opuslib"
        ) from exc
    return cast(ModuleType, opuslib)


class OpusDecoder:
    """Decodes the packets of one session; see the module's docstring for epochs, and AudioDecoder for the contract."""

    def __init__(self, channels: int, snapshot: dict[str, Plain] | None = None) -> None:
        self._channels = channels
        self._native: _Native | None = None
        self._packets: list[bytes] = []
        self._age = 0
        if snapshot is not None:
            self._packets = list(cast(list[bytes], snapshot["packets"]))
            self._age = cast(int, snapshot["age"])
        self._lengths = [_samples_of(packet) for packet in self._packets]

    def decode(self, packets: Sequence[bytes]) -> Pcm16:
        """Shape (channels, samples), dtype int16, 16 kHz. A refused chunk leaves the decoder as it was before it."""
        _check_duration(packets)
        before = self._packets.copy(), self._lengths.copy(), self._age
        try:
            pieces = [self._decode(packet) for packet in packets]
        except UndecodablePacket:
            # libopus may have taken in half of it: replay what was good.
            self._packets, self._lengths, self._age = before
            self._native = None
            raise
        return np.concatenate([_nothing(self._channels), *pieces], axis=1)

    def conceal(self, duration_ms: int) -> Pcm16:
        """Silence: shape (channels, duration_ms * 16), dtype int16. The next packet meets the state before the gap."""
        return np.zeros((self._channels, duration_ms * SAMPLES_PER_MS), np.int16)

    def snapshot(self) -> dict[str, Plain]:
        """The packets to replay, and how many samples of this epoch they hold."""
        return {"packets": list(self._packets), "age": self._age}

    def _decode(self, packet: bytes) -> Pcm16:
        if self._age >= EPOCH_SAMPLES or sum(map(len, self._packets)) >= EPOCH_BYTES:
            self._start_epoch()
        native = self._native = self._native or self._replayed()
        pcm = native.decode(packet)
        self._packets.append(packet)
        self._lengths.append(pcm.shape[1])
        self._age += pcm.shape[1]
        return pcm

    def _start_epoch(self) -> None:
        first = _priming_start(self._packets, self._lengths)
        del self._packets[:first], self._lengths[:first]
        self._age = 0
        self._native = None

    def _replayed(self) -> "_Native":
        native = _Native(self._channels)
        for packet in self._packets:
            native.decode(packet)
        return native


def _priming_start(packets: Sequence[bytes], lengths: Sequence[int]) -> int:
    """Index of the first of the last packets that make up PRIMING_SAMPLES, or PRIMING_BYTES if they are large."""
    samples = size = 0
    for index in reversed(range(len(packets))):
        samples += lengths[index]
        size += len(packets[index])
        if samples >= PRIMING_SAMPLES or size >= PRIMING_BYTES:
            return index
    return 0


def _check_duration(packets: Sequence[bytes]) -> None:
    samples = sum(map(_samples_of, packets))
    if samples > MAX_DECODED_MS * SAMPLES_PER_MS:
        raise UndecodablePacket(
            f"{len(packets)} Opus packets hold {samples // SAMPLES_PER_MS} ms of audio: "
            f"send at most {MAX_DECODED_MS} ms a chunk"
        )


def _samples_of(packet: bytes) -> int:
    """Samples at 16 kHz that the packet's first bytes promise (RFC 6716, section 3.1). Raises UndecodablePacket."""
    if not 0 < len(packet) <= MAX_PACKET_BYTES:
        # libopus itself would take an empty packet for a lost one and make audio up.
        raise UndecodablePacket(f"Opus packet of {len(packet)} bytes: accepted are 1 to {MAX_PACKET_BYTES}")
    library = opus_library().api.libopus
    return _checked(library.opus_packet_get_nb_samples(packet, len(packet), SAMPLE_RATE_HZ), packet)


def _checked(result: int, packet: bytes) -> int:
    if result < 0:
        reason = opus_library().api.info.strerror(result)
        text = reason.decode() if isinstance(reason, bytes) else reason
        raise UndecodablePacket(f"libopus refuses an Opus packet of {len(packet)} bytes: {text}")
    return result


def _nothing(channels: int) -> Pcm16:
    return np.zeros((channels, 0), np.int16)


class _Native:
    """One decoder in libopus's memory, freed with this object."""

    def __init__(self, channels: int) -> None:
        api: Any = opus_library().api.decoder
        self._call = api.libopus_decode
        self._state = api.create_state(SAMPLE_RATE_HZ, channels)
        self._buffer = np.empty((_LONGEST_PACKET_SAMPLES, channels), np.int16)
        self._pointer = self._buffer.ctypes.data_as(_INT16_POINTER)
        weakref.finalize(self, api.destroy, self._state)

    def decode(self, packet: bytes) -> Pcm16:
        """Shape (channels, samples), dtype int16, 16 kHz. Raises UndecodablePacket."""
        count = self._call(self._state, packet, len(packet), self._pointer, _LONGEST_PACKET_SAMPLES, 0)
        return self._buffer[: _checked(count, packet)].T.copy()
