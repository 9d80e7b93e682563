"""Kafka records in, valid chunks out; what is not a valid chunk goes to the dead letters whole."""

from collections.abc import Iterator
from typing import Any

from pyflink.common import Row
from pyflink.datastream import ProcessFunction

from pipeline.codecs.avro import decode_chunk
from pipeline.codecs.validate import validate_chunk
from pipeline.domain.types import AudioChunk, Received, SourcePosition
from pipeline.domain.usage import UsageReport
from pipeline.errors import RejectedRecord
from pipeline.flink.clock import wall_clock_ms
from pipeline.flink.dead_letters import dead_letter
from pipeline.flink.hops import keyed_row
from pipeline.flink.outputs import DEAD_LETTERS, USAGE

UNKNOWN_TENANT = ""
"""Whose records those are that could not be read so far as to tell."""


class IngestFunction(ProcessFunction):
    """Takes rows of (value, partition, offset, ...), whose event time is when Kafka stored them; gives keyed rows."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterator[Any]:
        raw, partition, offset, _ = value
        raw = bytes(raw) if raw is not None else b""
        source = SourcePosition(self._topic, partition, offset)
        now_ms, stored_at_ms = wall_clock_ms(), ctx.timestamp()
        chunk: AudioChunk | None = None
        try:
            chunk = decode_chunk(raw)
            validate_chunk(chunk, len(raw))
        except RejectedRecord as error:
            yield DEAD_LETTERS, dead_letter(raw, source, error, None, now_ms)
            yield USAGE, UsageReport(chunk.tenant if chunk else UNKNOWN_TENANT, stored_at_ms, dead_letters=1)
        else:
            yield keyed_row(Received(chunk, raw, source, now_ms, stored_at_ms))
