"""Chunks outside their ranges are refused with session, number, field, value and range."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.codecs.validate import MAX_CHUNK_BYTES, validate_chunk
from pipeline.domain.types import AudioChunk, Codec
from pipeline.errors import InvalidChunk

CHUNK = AudioChunk("call-7", 12, 1_700_000_000_000, Codec.PCM_S16LE, 16000, 1, (bytes(3200),))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"session_id": ""}, "session_id of 0 characters, accepted is 1 to 256"),
        ({"session_id": "x" * 257}, "session_id of 257 characters"),
        ({"seq": -1}, "seq -1: seq -1, accepted is 0 or more"),
        ({"captured_at_ms": -5}, "captured_at_ms -5"),
        ({"sample_rate_hz": 96000}, "sample_rate_hz 96000, accepted is for PCM_S16LE one of 8000, 11025"),
        ({"codec": Codec.OPUS, "sample_rate_hz": 44100}, "sample_rate_hz 44100, accepted is for OPUS"),
        ({"channels": 3}, "channels 3, accepted is 1 or 2"),
        ({"packets": ()}, "packets none"),
        ({"packets": (bytes(3200), bytes(33))}, r"packets\[1\] 33 bytes, accepted is a multiple of 2"),
        ({"packets": (bytes(640), bytes(642)), "channels": 2}, r"packets\[1\] 642 bytes, accepted is a multiple of 4"),
        ({"packets": (bytes(638),)}, "duration 19.9 ms, accepted is 20 to 1000 ms"),
        ({"packets": (bytes(16000),) * 3}, "duration 1500.0 ms"),
        ({"packets": (bytes(32002),), "end_of_stream": True}, "duration 1000.1 ms"),
        ({"codec": Codec.ALAW, "sample_rate_hz": 8000, "packets": (bytes(8001),)}, "duration 1000.1 ms"),
    ],
)
def test_field_outside_its_range_is_named(changes: dict[str, Any], told: str) -> None:
    """One wrong field, one message."""
    with pytest.raises(InvalidChunk, match=told) as caught:
        validate_chunk(replace(CHUNK, **changes), 4000)
    assert str(caught.value).startswith("session '")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"packets": (bytes(640),)},
        {"packets": (bytes(16000), bytes(16000))},
        {"packets": (), "end_of_stream": True},
        {"packets": (bytes(2),), "end_of_stream": True},
        {"codec": Codec.OPUS, "sample_rate_hz": 48000, "packets": (b"x",)},
        {"codec": Codec.MULAW, "sample_rate_hz": 8000, "packets": (bytes(160),)},
        {"sample_rate_hz": 11025, "packets": (bytes(440),)},
        {"session_id": "é" * 256, "seq": 0, "channels": 2},
    ],
)
def test_fields_at_the_edge_of_their_range_pass(changes: dict[str, Any]) -> None:
    """20 ms and 1000 ms, the empty end of a stream, sizes that say nothing of the duration."""
    validate_chunk(replace(CHUNK, **changes), MAX_CHUNK_BYTES)


def test_record_above_a_megabyte_is_refused() -> None:
    """The raw size counts, whatever is in it."""
    with pytest.raises(InvalidChunk, match="session 'call-7' seq 12: record size 1000001 bytes"):
        validate_chunk(CHUNK, MAX_CHUNK_BYTES + 1)
