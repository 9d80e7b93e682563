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
        self._bytes = sum(map(len, self._packets))

    def decode(self, packets: Sequence[bytes]) -> Pcm16:
        """Shape (channels, samples), dtype int16, 16 kHz. A refused chunk leaves the decoder as it was before it."""
        pcm = np.empty((_promised_samples(packets), self._channels), np.int16)
        before = self._packets.copy(), self._lengths.copy(), self._bytes, self._age
        try:
            self._decode_into(pcm, packets)
        except UndecodablePacket:
            # libopus may have taken in half of it: replay what was good.
            self._packets, self._lengths, self._bytes, self._age = before
            self._native = None
            raise
        return np.ascontiguousarray(pcm.T)

    def conceal(self, duration_ms: int) -> Pcm16:
        """Silence: shape (channels, duration_ms * 16), dtype int16. The next packet meets the state before the gap."""
        return np.zeros((self._channels, duration_ms * SAMPLES_PER_MS), np.int16)

    def snapshot(self) -> dict[str, Plain]:
        """The packets to replay, and how many samples of this epoch they hold."""
        return {"packets": list(self._packets), "age": self._age}

    def _decode_into(self, pcm: Pcm16, packets: Sequence[bytes]) -> None:
        """Fills ``pcm``, shape (samples, channels), which has exactly the room that the packets' samples take."""
        address, room = _address(pcm), len(pcm)
        for packet in packets:
            if self._age >= EPOCH_SAMPLES or self._bytes >= EPOCH_BYTES:
                self._start_epoch()
            native = self._native = self._native or self._replayed()
            samples = native.decode(packet, address, room)
            self._keep(packet, samples)
            address += samples * native.frame_bytes
            room -= samples

    def _keep(self, packet: bytes, samples: int) -> None:
        self._packets.append(packet)
        self._lengths.append(samples)
        self._bytes += len(packet)
        self._age += samples

    def _start_epoch(self) -> None:
        first = _priming_start(self._packets, self._lengths)
        del self._packets[:first], self._lengths[:first]
        self._bytes = sum(map(len, self._packets))
        self._age = 0
        self._native = None

    def _replayed(self) -> "_Native":
        native = _Native(self._channels)
        dropped = np.empty((_LONGEST_PACKET_SAMPLES, self._channels), np.int16)
        for packet in self._packets:
            native.decode(packet, _address(dropped), _LONGEST_PACKET_SAMPLES)
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


def _promised_samples(packets: Sequence[bytes]) -> int:
    """What all packets hold, in samples at 16 kHz. Raises UndecodablePacket where it is too much for a chunk."""
    samples = sum(map(_samples_of, packets))
    if samples > MAX_DECODED_MS * SAMPLES_PER_MS:
        raise UndecodablePacket(
            f"{len(packets)} Opus packets hold {samples // SAMPLES_PER_MS} ms of audio: "
            f"send at most {MAX_DECODED_MS} ms a chunk"
        )
    return samples


def _samples_of(packet: bytes) -> int:
    """Samples at 16 kHz that the packet's first bytes promise (RFC 6716, section 3.1). Raises UndecodablePacket."""
    if not 0 < len(packet) <= MAX_PACKET_BYTES:
        # libopus itself would take an empty packet for a lost one and make audio up.
        raise UndecodablePacket(f"Opus packet of {len(packet)} bytes: accepted are 1 to {MAX_PACKET_BYTES}")
    return _samples_by_first_byte()[packet[0]] or _checked(_count_samples(packet), packet)


@cache
def _samples_by_first_byte() -> tuple[int, ...]:
    """What libopus says of packets with that first byte; 0 where the second byte counts, too (code 3, two low bits)."""
    return tuple(0 if first & 3 == 3 else _count_samples(bytes([first])) for first in range(256))


def _count_samples(packet: bytes) -> int:
    count: int = opus_library().api.libopus.opus_packet_get_nb_samples(packet, len(packet), SAMPLE_RATE_HZ)
    return count


def _checked(result: int, packet: bytes) -> int:
    if result < 0:
        reason = opus_library().api.info.strerror(result)
        text = reason.decode() if isinstance(reason, bytes) else reason
        raise UndecodablePacket(f"libopus refuses an Opus packet of {len(packet)} bytes: {text}")
    return result


def _address(samples: Pcm16) -> int:
    """Where the array's memory begins; its ``ctypes`` attribute says the same at four times the cost."""
    return ctypes.addressof(ctypes.c_char.from_buffer(samples.data)) if samples.size else 0


@cache
def _decode_call() -> Any:
    """libopus's function with plain addresses, which cost less to pass than the pointers of opuslib.

    It keeps the interpreter's lock: a packet takes 10 us, and where other threads wait for the lock, giving it away and
    getting it back with each packet takes longer (docs/scaling.md).
    """
    call = ctypes.PyDLL(opus_library().api.libopus._name)["opus_decode"]
    call.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
    call.restype = ctypes.c_int
    return call


class _Native:
    """One decoder in libopus's memory, freed with this object. ``frame_bytes`` is the size of a sample of all channels.

    It writes at addresses: whoever calls keeps the memory there alive.
    """

    def __init__(self, channels: int) -> None:
        api: Any = opus_library().api.decoder
        self.frame_bytes = channels * np.dtype(np.int16).itemsize
        self._call = _decode_call()
        self._state = api.create_state(SAMPLE_RATE_HZ, channels)
        weakref.finalize(self, api.destroy, self._state)

    def decode(self, packet: bytes, address: int, room: int) -> int:
        """Writes at most ``room`` samples of each channel, side by side; how many. Raises UndecodablePacket."""
        return _checked(self._call(self._state, packet, len(packet), address, room, 0), packet)
