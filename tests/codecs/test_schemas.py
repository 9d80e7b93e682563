"""The schemas: fingerprints as specified, and no record ever written that cannot be read."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.schema import to_parsing_canonical_form
from fastavro.utils import generate_one

from pipeline.codecs import schemas
from pipeline.codecs.avro import decode_chunk, decode_dead_letter, decode_transcript, decode_usage
from pipeline.codecs.schemas import MARKER, RECORD_NAMES, history_files, parse, record_schema, wire_fingerprint
from pipeline.errors import SetupError

DECODE: dict[str, Any] = {
    "audio_chunk": decode_chunk,
    "transcript": decode_transcript,
    "dead_letter": decode_dead_letter,
    "usage": decode_usage,
}
HISTORY = [(name, path) for name in RECORD_NAMES for path in history_files(name)]


@pytest.mark.parametrize(("name", "path"), HISTORY, ids=lambda value: getattr(value, "stem", value))
def test_record_of_every_version_can_be_read(name: str, path: Path) -> None:
    """Whatever a producer of that version sends becomes a value of today."""
    written = parse(path)
    for _ in range(20):
        body = BytesIO()
        fastavro.schemaless_writer(body, written, generate_one(written))
        DECODE[name](MARKER + wire_fingerprint(written) + body.getvalue())


@pytest.mark.parametrize("name", RECORD_NAMES)
def test_newest_version_of_the_history_is_the_schema_in_use(name: str) -> None:
    """A schema changed without a new file in its history would make the records of today unreadable tomorrow."""
    assert wire_fingerprint(parse(history_files(name)[-1])) == wire_fingerprint(record_schema(name).current)


@pytest.mark.parametrize("name", RECORD_NAMES)
def test_fingerprint_is_that_of_the_specification(name: str) -> None:
    """CRC-64-AVRO, bit by bit, little-endian after the marker."""
    current = record_schema(name).current
    expected = crc_64_avro(to_parsing_canonical_form(current).encode()).to_bytes(8, "little")
    assert record_schema(name).header == b"\xc3\x01" + expected


def crc_64_avro(data: bytes) -> int:
    """Avro 1.11 specification, "Schema fingerprints": the 64-bit Rabin fingerprint, one bit at a time."""
    empty = result = 0xC15D213AA4D7A795
    for byte in data:
        result ^= byte
        for _ in range(8):
            result = result >> 1 ^ (empty if result & 1 else 0)
    return result


def test_fingerprint_of_a_published_example() -> None:
    """The specification's schema "int" has a fingerprint that other implementations print as well."""
    assert crc_64_avro(b'"int"') == 0x7275D51A3F395C8F


@pytest.mark.parametrize("name", RECORD_NAMES)
def test_every_field_says_what_it_means(name: str) -> None:
    """Each field, also of nested records, has a doc."""
    for field in _fields(json.loads((schemas.schema_folder() / f"{name}.avsc").read_text())):
        assert len(field.get("doc", "")) > 10, field["name"]


def _fields(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, dict):
        inner = _fields(schema.get("type")) + _fields(schema.get("items"))
        return inner + [each for field in schema.get("fields", []) for each in (field, *_fields(field["type"]))]
    return []


def test_schema_that_is_gone_is_told_with_the_cure(tmp_path: Path) -> None:
    """The path, and where to get it."""
    with pytest.raises(SetupError, match=r"gone.avsc cannot be used .*restore the file"):
        parse(tmp_path / "gone.avsc")
    (tmp_path / "bad.avsc").write_text('{"type": "nothing"}')
    with pytest.raises(SetupError, match=r"bad.avsc cannot be used"):
        parse(tmp_path / "bad.avsc")
