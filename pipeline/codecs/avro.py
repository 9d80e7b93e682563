"""Records to Avro bytes and back, in single-object encoding: C3 01, 8 bytes of schema fingerprint, the body.

Source: Avro 1.11 specification, "Single object encoding". Records of every schema in ``schemas/history`` are read and
resolved to the current one. Whatever the bytes, decoding raises RejectedRecord or returns a value: lengths are checked
against the bytes at hand before anything is allocated, and every array item takes at least one byte.
"""

from io import BytesIO
from typing import Any, Final

import fastavro

from pipeline.codecs.schemas import FINGERPRINT_BYTES, MARKER, RECORD_NAMES, RecordSchema, record_schema
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
from pipeline.errors import UndecodableRecord, UnknownCodec

_HEADER_BYTES: Final = len(MARKER) + FINGERPRINT_BYTES
_CODECS: Final = {codec.value: codec for codec in Codec}

Fields = dict[str, Any]
"""A record as fastavro takes and gives it: field names to plain values."""


def encode_chunk(chunk: AudioChunk) -> bytes:
    """The chunk as it stands on the audio topic."""
    return _encode("audio_chunk", {name: getattr(chunk, name) for name in AudioChunk.__slots__})


def decode_chunk(raw: bytes) -> AudioChunk:
    """The chunk in a record of the audio topic. Raises UndecodableRecord and UnknownCodec."""
    try:
        fields = _decode("audio_chunk", raw)
    except IndexError as exc:
        # Enums and unions are the only indices of a record, and a chunk's one enum is its codec.
        raise UnknownCodec(
            f"audio record of {len(raw)} bytes: the index of its codec (or of an optional field) is out of range; "
            f"send one of {', '.join(Codec)}"
        ) from exc
    return AudioChunk(**fields | {"codec": _CODECS[fields["codec"]], "packets": tuple(fields["packets"])})


def encode_transcript(transcript: Transcript) -> bytes:
    """The transcript as it stands on the partial and final topics."""
    fields = {name: getattr(transcript, name) for name in Transcript.__slots__}
    fields["words"] = [_fields(word) for word in transcript.words]
    fields["times"] = _fields(transcript.times)
    return _encode("transcript", fields)


def decode_transcript(raw: bytes) -> Transcript:
    """The transcript in a record of the partial or final topic. Raises UndecodableRecord."""
    fields = _decode_strictly("transcript", raw)
    words = tuple(Word(**word) for word in fields["words"])
    nested = {"kind": TranscriptKind(fields["kind"]), "words": words, "times": StageTimes(**fields["times"])}
    return Transcript(**fields | nested)


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """The rejected record as it stands on the dead-letter topic."""
    fields = {name: getattr(letter, name) for name in DeadLetter.__slots__}
    return _encode("dead_letter", fields | {"source": _fields(letter.source)})


def decode_dead_letter(raw: bytes) -> DeadLetter:
    """The rejected record in a record of the dead-letter topic. Raises UndecodableRecord."""
    fields = _decode_strictly("dead_letter", raw)
    return DeadLetter(**fields | {"source": SourcePosition(**fields["source"])})


def encode_usage(usage: Usage) -> bytes:
    """A tenant's minute as it stands on the usage topic."""
    return _encode("usage", {name: getattr(usage, name) for name in Usage.__slots__})


def decode_usage(raw: bytes) -> Usage:
    """The tenant's minute in a record of the usage topic. Raises UndecodableRecord."""
    return Usage(**_decode_strictly("usage", raw))


def _fields(value: Word | StageTimes | SourcePosition) -> Fields:
    """A flat record's fields; dataclasses.asdict would copy deeply, at ten times the cost."""
    return {name: getattr(value, name) for name in value.__slots__}


def _encode(name: str, fields: Fields) -> bytes:
    schema = record_schema(name)
    out = BytesIO()
    out.write(schema.header)
    fastavro.schemaless_writer(out, schema.current, fields)
    return out.getvalue()


def _decode_strictly(name: str, raw: bytes) -> Fields:
    try:
        return _decode(name, raw)
    except IndexError as exc:
        raise UndecodableRecord(f"{name} record of {len(raw)} bytes: an enum or union index is out of range") from exc


def _decode(name: str, raw: bytes) -> Fields:
    """The fields of a record, resolved to the current schema. Raises UndecodableRecord, and IndexError for an index."""
    schema = record_schema(name)
    writer = _writer_schema(schema, raw)
    body = BytesIO(raw)
    body.seek(_HEADER_BYTES)
    fields = _read_body(schema, writer, body, len(raw))
    if body.tell() != len(raw):
        raise UndecodableRecord(f"{name} record of {len(raw)} bytes: {len(raw) - body.tell()} bytes follow its end")
    return fields


def _read_body(schema: RecordSchema, writer: Any, body: BytesIO, size: int) -> Fields:
    # Without a reader schema fastavro skips resolution: the case of nearly every record.
    reader = None if writer is schema.current else schema.current
    try:
        return fastavro.schemaless_reader(body, writer, reader)  # type: ignore[return-value]
    except IndexError:
        raise
    except EOFError as exc:
        raise UndecodableRecord(f"{schema.name} record of {size} bytes ends before its last field") from exc
    except Exception as exc:  # fastavro raises many kinds on bytes that are not Avro, and all say the same to us
        reason = f"{type(exc).__name__}: {exc}"
        raise UndecodableRecord(f"{schema.name} record of {size} bytes does not fit its schema ({reason})") from exc


def _writer_schema(schema: RecordSchema, raw: bytes) -> Any:
    if len(raw) < _HEADER_BYTES or raw[: len(MARKER)] != MARKER:
        start = raw[:_HEADER_BYTES].hex() or "nothing"
        raise UndecodableRecord(
            f"{schema.name} record of {len(raw)} bytes is not Avro single-object encoding: "
            f"it starts with {start}, expected c301 and 8 bytes of schema fingerprint"
        )
    fingerprint = raw[len(MARKER) : _HEADER_BYTES]
    if (writer := schema.writers.get(fingerprint)) is None:
        raise UndecodableRecord(_unknown_fingerprint(schema, fingerprint))
    return writer


def _unknown_fingerprint(schema: RecordSchema, fingerprint: bytes) -> str:
    for other in RECORD_NAMES:
        if fingerprint in record_schema(other).writers:
            return f"expected {_article(schema.name)} record, got {_article(other)}: it was sent to the wrong topic"
    return (
        f"{schema.name} record was written with an unknown schema, fingerprint {fingerprint.hex()}: "
        f"known are {', '.join(sorted(known.hex() for known in schema.writers))}; "
        "add the writer's schema to schemas/history and restart"
    )


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
