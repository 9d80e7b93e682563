"""G.711 against the values printed in the Recommendation, and there and back."""

import numpy as np
import pytest

from pipeline.codecs.g711 import ALAW, MULAW, decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from pipeline.errors import UndecodablePacket

EVERY_LAW = pytest.mark.parametrize(
    ("table", "encode", "decode"), [(MULAW, encode_mulaw, decode_mulaw), (ALAW, encode_alaw, decode_alaw)]
)


def test_mulaw_decodes_to_the_values_of_table_2() -> None:
    """Peak 8031 of 14 bits at 0x80 and 0x00, both zeros, and the first steps; left-justified, so times 4."""
    expected = {0x80: 8031, 0x00: -8031, 0xFF: 0, 0x7F: 0, 0xFE: 2, 0xEF: 33, 0x8F: 4191, 0x9F: 2079}
    assert {code: MULAW[code] // 4 for code in expected} == expected


def test_alaw_decodes_to_the_values_of_table_1() -> None:
    """Peak 4032 of 13 bits, the two smallest values, the start of the second segment; left-justified, so times 8."""
    expected = {0xAA: 4032, 0x2A: -4032, 0xD5: 1, 0x55: -1, 0xC5: 33, 0xF5: 66, 0xA5: 2112}
    assert {code: ALAW[code] // 8 for code in expected} == expected


@EVERY_LAW
def test_every_byte_survives_decoding_and_encoding(table, encode, decode) -> None:  # type: ignore[no-untyped-def]
    """But for the negative zero of mu-law, which is the same sample as the positive one."""
    every = bytes(range(256))
    again = encode(decode(every, 1))
    assert [table[byte] for byte in again] == [table[byte] for byte in every]


@EVERY_LAW
def test_encoding_takes_the_nearest_level(table, encode, decode) -> None:  # type: ignore[no-untyped-def]
    """For each 16-bit sample no other byte comes closer."""
    samples = np.arange(-32768, 32768, 37, dtype=np.int16)
    got = decode(encode(samples[None]), 1)[0].astype(np.int32)
    nearest = np.abs(table.astype(np.int32)[:, None] - samples).min(axis=0)
    assert np.array_equal(np.abs(got - samples), nearest)


@EVERY_LAW
def test_stereo_is_interleaved(table, encode, decode) -> None:  # type: ignore[no-untyped-def]
    """Left is the first byte of each frame."""
    out = decode(bytes([0x80, 0x10, 0x81, 0x11]), 2)
    assert np.array_equal(out, table[[[0x80, 0x81], [0x10, 0x11]]])
    with pytest.raises(UndecodablePacket, match="3 bytes ends within a frame"):
        decode(b"abc", 2)
