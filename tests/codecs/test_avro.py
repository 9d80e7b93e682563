"""Records there and back, and every way bytes can be wrong."""

from collections.abc import Callable
from dataclasses import MISSING, replace
from dataclasses import fields as dataclass_fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codecs.avro import (
    decode_chunk,
    decode_dead_letter,
    decode_transcript,
    decode_usage,
    encode_chunk,
    encode_dead_letter,
    encode_transcript,
    encode_usage,
)
from pipeline.codecs.schemas import record_schema
from pipeline.domain.types import (
    AudioChunk,
    Codec,
    DeadLetter,
    SourcePosition,
    StageTimes,
    Transcript,
    TranscriptKind,
    Word,
)
from pipeline.domain.usage import Usage
from pipeline.errors import RejectedRecord, UndecodableRecord, UnknownCodec

CHUNK = AudioChunk("s", 3, 1_700_000_000_000, Codec.OPUS, 48000, 1, (b"ab", b"c"), language="en", traceparent="00-1")
TIMES = StageTimes(1, 2, 3, 4, 5, 6, 7)
TRANSCRIPT = Transcript(
    "s", "t", TranscriptKind.FINAL, 0, 1, 2, "good day", 4, 10, 900, (Word("good", 0.5, 10, 300), Word("day")),
    None, "m", "1", False, 0, 3, 40, 45, TIMES,
)  # fmt: skip
USAGE = Usage("t", 1_700_000_040_000, 1_700_000_100_000, 3, 1, 60_000, 40_000, 0, 9, 0, 9, 210, None, 1_700_000_111_000)
LETTER = DeadLetter(b"\x00\xff", SourcePosition("speech.audio.v1", 2, 77), "InvalidChunk", "why", None, 9)
USAGE_NUMBERS = [name for name in Usage.__slots__ if name not in ("tenant", "wait_p50_ms")]

text = st.text(st.characters(codec="utf-8"), max_size=20)
long = st.integers(-(2**63), 2**63 - 1)
small = st.integers(-(2**31), 2**31 - 1)
words = st.builds(Word, text, st.none() | st.floats(0, 1), st.none() | long, st.none() | long)
chunk_values = st.builds(
    AudioChunk,
    session_id=text, seq=long, captured_at_ms=long, codec=st.sampled_from(Codec), sample_rate_hz=small,
    channels=small, packets=st.lists(st.binary(max_size=50), max_size=5).map(tuple), end_of_stream=st.booleans(),
    tenant=text, language=st.none() | text, options=st.dictionaries(text, text, max_size=3),
    traceparent=st.none() | text,
)  # fmt: skip
transcript_values = st.builds(
    Transcript,
    session_id=text, tenant=text, kind=st.sampled_from(TranscriptKind), channel=small, segment=small, revision=small,
    text=text, stable_chars=small, start_ms=long, end_ms=long, words=st.lists(words, max_size=4).map(tuple),
    language=st.none() | text, model=text, model_version=text, degraded=st.booleans(), gap_ms=long,
    source_partition=small, source_first_offset=long, source_last_offset=long,
    times=st.builds(StageTimes, long, long, long, long, long, long, long), error=st.none() | text,
)  # fmt: skip
letter_values = st.builds(
    DeadLetter, st.binary(max_size=50), st.builds(SourcePosition, text, small, long), text, text, st.none() | text, long
)

usage_values = st.builds(Usage, tenant=text, **dict.fromkeys(USAGE_NUMBERS, long), wait_p50_ms=st.none() | long)


@given(chunk_values)
def test_chunk_survives(chunk: AudioChunk) -> None:
    """Every field, of every value its type allows."""
    assert decode_chunk(encode_chunk(chunk)) == chunk


@given(transcript_values)
def test_transcript_survives(transcript: Transcript) -> None:
    """Words and stage times included."""
    assert decode_transcript(encode_transcript(transcript)) == transcript


@given(letter_values)
def test_dead_letter_survives(letter: DeadLetter) -> None:
    """The raw record byte for byte."""
    assert decode_dead_letter(encode_dead_letter(letter)) == letter


@given(usage_values)
def test_usage_survives(usage: Usage) -> None:
    """Percentiles may be missing."""
    assert decode_usage(encode_usage(usage)) == usage


@pytest.mark.parametrize(
    ("name", "nested", "mirrored"),
    [
        ("audio_chunk", None, AudioChunk),
        ("transcript", None, Transcript),
        ("transcript", "words", Word),
        ("transcript", "times", StageTimes),
        ("dead_letter", None, DeadLetter),
        ("dead_letter", "source", SourcePosition),
        ("usage", None, Usage),
    ],
)
def test_schema_and_dataclass_have_the_same_fields_and_defaults(name: str, nested: str | None, mirrored: Any) -> None:
    """A field added to one and not to the other would be lost without a word."""
    schema = record_schema(name).current
    if nested is not None:
        types = {field["name"]: field["type"] for field in schema["fields"]}
        schema = types[nested].get("items", types[nested])
    fields = dataclass_fields(mirrored)
    assert [field["name"] for field in schema["fields"]] == [field.name for field in fields]
    defaults = {field["name"]: field["default"] for field in schema["fields"] if field.get("default") is not None}
    assert {key: value for key, value in defaults.items() if value} == {
        field.name: field.default for field in fields if field.default not in (MISSING, None, False, 0)
    }


@pytest.mark.parametrize(("enum", "field"), [(Codec, "codec"), (TranscriptKind, "kind")])
def test_enums_have_the_same_symbols(enum: type[Codec] | type[TranscriptKind], field: str) -> None:
    """In the same order, since the order is what stands on the wire."""
    name = "audio_chunk" if enum is Codec else "transcript"
    types = {each["name"]: each["type"] for each in record_schema(name).current["fields"]}
    assert types[field]["symbols"] == [member.value for member in enum]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "0 bytes is not Avro.*starts with nothing"),
        (b'{"seq": 1, "codec": "OPUS"}', "27 bytes is not Avro.*starts with 7b22736571"),
        (b"\xc3\x01\x00", "3 bytes is not Avro"),
        (b"\xc3\x01" + bytes(range(8)) + b"x", "unknown schema, fingerprint 0001020304050607: known are"),
        (encode_chunk(CHUNK) + b"xyz", "3 bytes follow its end"),
        (encode_chunk(CHUNK)[:-3], "ends before its last field"),
        (encode_chunk(CHUNK)[:10], "ends before its last field"),
        (encode_transcript(TRANSCRIPT), "expected an audio_chunk record, got a transcript"),
        (encode_chunk(replace(CHUNK, session_id="QQ")).replace(b"QQ", b"\xff\xfe"), "does not fit.*UnicodeDecodeError"),
    ],
)
def test_record_that_is_none_is_refused_with_the_reason(raw: bytes, told: str) -> None:
    """Empty, JSON, unknown, overlong, cut, of another topic, not UTF-8."""
    with pytest.raises(UndecodableRecord, match=told):
        decode_chunk(raw)


def test_codec_beyond_the_known_ones_is_refused() -> None:
    """A producer from the future: index 5 of an enum of 5."""
    head = encode_chunk(replace(CHUNK, codec=Codec.PCM_S16LE))
    at = 10 + len(b"\x02s\x06") + len(b"\x80\xd0\x95\xff\xbc\x31")
    assert head[at] == 0
    with pytest.raises(UnknownCodec, match="FLAC"):
        decode_chunk(head[:at] + b"\x0a" + head[at + 1 :])


@pytest.mark.parametrize("length", [2**62, -1, -(2**63), 2**31])
def test_promised_lengths_are_not_believed(length: int) -> None:
    """A few bytes that promise an exabyte are refused at once."""
    zigzag = (length << 1 ^ length >> 63) & 2**64 - 1
    varint = bytes((zigzag >> 7 * i & 0x7F) | (0x80 if i < 9 else 0) for i in range(10))
    for at in (10, 19, 21):
        with pytest.raises(RejectedRecord):
            decode_chunk(encode_chunk(CHUNK)[:at] + varint)


DECODERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (decode_chunk, encode_chunk(CHUNK)),
    (decode_transcript, encode_transcript(TRANSCRIPT)),
    (decode_dead_letter, encode_dead_letter(LETTER)),
    (decode_usage, encode_usage(USAGE)),
]


@given(st.sampled_from(DECODERS), st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_are_read_or_rejected(
    case: tuple[Callable[[bytes], object], bytes], noise: bytes, with_header: bool
) -> None:
    """Nothing but RejectedRecord escapes."""
    decode, valid = case
    _read_or_reject(decode, valid[:10] + noise if with_header else noise)


@given(st.sampled_from(DECODERS), st.data())
def test_damaged_records_are_read_or_rejected(
    case: tuple[Callable[[bytes], object], bytes], data: st.DataObject
) -> None:
    """Bytes changed, cut out or put in anywhere."""
    decode, valid = case
    raw = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    _read_or_reject(decode, bytes(raw))


def _read_or_reject(decode: Callable[[bytes], object], raw: bytes) -> None:
    try:
        decode(raw)
    except RejectedRecord:
        return
