"""G.711 telephony audio: one byte a sample, mu-law (North America, Japan) or A-law (elsewhere), channels interleaved.

Source: ITU-T Recommendation G.711 (11/88), tables 1 and 2. Eight segments a sign, each twice as steep as the one
before; both laws come out left-justified in 16 bits (mu-law has 14 significant bits, A-law 13).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.codecs.pcm import check_frames
from pipeline.domain.types import Pcm16

_MU_BIAS: Final = 33
_CODES: Final = np.arange(256, dtype=np.int32)


def _mulaw_table() -> Pcm16:
    """Shape (256,): the sample of every mu-law byte. All bits are sent inverted (G.711, table 2b)."""
    code = ~_CODES & 0xFF
    segment, step = code >> 4 & 7, code & 15
    magnitude = ((2 * step + _MU_BIAS) << segment) - _MU_BIAS
    return _signed(magnitude << 2, negative=code >= 0x80)


def _alaw_table() -> Pcm16:
    """Shape (256,): the sample of every A-law byte. Even bits are sent inverted (G.711, table 1b)."""
    code = _CODES ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    # The two lowest segments are equally steep; above them each has a leading one of its own.
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return _signed(magnitude << 3, negative=code < 0x80)


def _signed(magnitude: NDArray[np.int32], negative: NDArray[np.bool_]) -> Pcm16:
    return np.where(negative, -magnitude, magnitude).astype(np.int16)


def _nearest_codes(table: Pcm16) -> NDArray[np.uint8]:
    """Shape (65536,): the byte whose sample lies nearest to each 16-bit sample, from -32768 up."""
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    borders = (levels[:-1] + levels[1:]) / 2
    return order[np.searchsorted(borders, np.arange(-32768, 32768))].astype(np.uint8)


MULAW: Final = _mulaw_table()
ALAW: Final = _alaw_table()
_TO_MULAW: Final = _nearest_codes(MULAW)
_TO_ALAW: Final = _nearest_codes(ALAW)


def decode_mulaw(packet: bytes, channels: int) -> Pcm16:
    """Shape (channels, samples), dtype int16, the packet's own rate. Raises UndecodablePacket for a cut frame."""
    return _decode(MULAW, packet, channels)


def decode_alaw(packet: bytes, channels: int) -> Pcm16:
    """Shape (channels, samples), dtype int16, the packet's own rate. Raises UndecodablePacket for a cut frame."""
    return _decode(ALAW, packet, channels)


def encode_mulaw(pcm: Pcm16) -> bytes:
    """``pcm``: shape (channels, samples), dtype int16."""
    return _encode(_TO_MULAW, pcm)


def encode_alaw(pcm: Pcm16) -> bytes:
    """``pcm``: shape (channels, samples), dtype int16."""
    return _encode(_TO_ALAW, pcm)


def _decode(table: Pcm16, packet: bytes, channels: int) -> Pcm16:
    check_frames(packet, channels)
    return table[np.frombuffer(packet, np.uint8)].reshape(-1, channels).T


def _encode(codes: NDArray[np.uint8], pcm: Pcm16) -> bytes:
    coded: NDArray[np.uint8] = codes[pcm.T.astype(np.int32) + 32768]
    return coded.tobytes()
