"""The Avro schemas of Voxflow's records: where they lie, what they are called on the wire, which old ones are readable.

A record on a topic starts with the fingerprint of the schema it was written with (Avro 1.11 specification, "Single
object encoding"). A reader must therefore know the schema of every record still in the topic: the current schema, and
each earlier version kept as ``schemas/history/<name>/<n>.avsc``. To change a schema, change ``schemas/<name>.avsc`` in
a compatible way (new fields with defaults) and add the new text to the history under the next number.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from pipeline.errors import SetupError

RECORD_NAMES: Final = ("audio_chunk", "transcript", "dead_letter", "usage")

MARKER: Final = b"\xc3\x01"
"""The first two bytes of single-object encoding."""

FINGERPRINT_BYTES: Final = 8

Parsed = Any
"""A schema that fastavro has parsed; its type is private to fastavro."""


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """One record type: how to write it, and every writer's schema that can be read.

    ``header`` is the marker C3 01 and the fingerprint of ``current``; ``writers`` maps 8-byte fingerprints as they
    stand on the wire (little-endian) to schemas.
    """

    name: str
    current: Parsed
    header: bytes
    writers: dict[bytes, Parsed]


@cache
def record_schema(name: str) -> RecordSchema:
    """Load and parse the schemas of one of RECORD_NAMES, once. Raises SetupError if they are missing or unreadable."""
    current = parse(schema_folder() / f"{name}.avsc")
    known = [current, *(parse(path) for path in history_files(name))]
    header = MARKER + wire_fingerprint(current)
    # The current schema comes last, so that it wins over its own copy in the history.
    return RecordSchema(name, current, header, {wire_fingerprint(schema): schema for schema in reversed(known)})


def schema_folder() -> Path:
    """``schemas/`` beside the package, in a source checkout as in an install. Raises SetupError."""
    folder = Path(__file__).resolve().parents[2] / "schemas"
    # A stranger's folder of that name may lie there if ours was not installed: look for our file in it.
    if not (folder / "audio_chunk.avsc").is_file():
        raise SetupError(f"no Avro schemas in {folder}: run from a source checkout, or install Voxflow again")
    return folder


def history_files(name: str) -> list[Path]:
    """Every version of the schema ever published, oldest first."""
    return sorted((schema_folder() / "history" / name).glob("*.avsc"), key=lambda path: int(path.stem))


def parse(path: Path) -> Parsed:
    """The parsed schema of one file. Raises SetupError if it is missing, not JSON, or not a schema."""
    try:
        return fastavro.parse_schema(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, fastavro.schema.SchemaParseException) as exc:
        raise SetupError(f"schema {path} cannot be used ({exc}): restore the file from the release") from exc


def wire_fingerprint(schema: Parsed) -> bytes:
    """CRC-64-AVRO of the schema's parsing canonical form: 8 bytes, little-endian, as they stand on the wire."""
    # fastavro gives the digits in wire order already, which a test holds against the specification's algorithm.
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
