"""The sessions of a soak or an overload as records that were encoded beforehand."""

from collections.abc import Sequence
from typing import Final

from pipeline.client.load import Due
from pipeline.codecs.avro import encode_chunk
from tests.chaos.speech import CHUNK_MS
from tests.soak.scripts import Played

SPREAD_MS: Final = 2_000
"""All sessions begin within this time, evenly: people do not speak in step."""


def starts(sessions: Sequence[Played], start_at_ms: int) -> dict[str, int]:
    """Session id to the wall clock of its first sample."""
    return {one.session_id: start_at_ms + n * SPREAD_MS // len(sessions) for n, one in enumerate(sessions)}


def encoded(sessions: Sequence[Played], start_at_ms: int) -> list[Due]:
    """The chunks of all sessions in the order in which they are due."""
    begins = starts(sessions, start_at_ms)
    chunks = (chunk for one in sessions for chunk in one.script.played(one.session_id, begins[one.session_id]))
    records = [Due(chunk.captured_at_ms + CHUNK_MS, chunk.session_id.encode(), encode_chunk(chunk)) for chunk in chunks]
    return sorted(records, key=lambda record: record.at_ms)
