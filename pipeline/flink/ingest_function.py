"""Kafka records in, valid chunks out; what is not a valid chunk goes to the dead letters whole."""

from collections.abc import Iterator
from typing import Any

from pyflink.common import Row
from pyflink.datastream import ProcessFunction

from pipeline.codecs.avro import decode_chunk
from pipeline.codecs.validate import validate_chunk
from pipeline.domain.types import Received, SourcePosition
from pipeline.errors import RejectedRecord
from pipeline.flink.clock import wall_clock_ms
from pipeline.flink.dead_letters import dead_letter
from pipeline.flink.outputs import DEAD_LETTERS


class IngestFunction(ProcessFunction):
    """Takes rows of (value, partition, offset)."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterator[Any]:
        raw, partition, offset = value
        raw = bytes(raw) if raw is not None else b""
        source = SourcePosition(self._topic, partition, offset)
        now_ms = wall_clock_ms()
        try:
            chunk = decode_chunk(raw)
            validate_chunk(chunk, len(raw))
        except RejectedRecord as error:
            yield DEAD_LETTERS, dead_letter(raw, source, error, None, now_ms)
        else:
            yield Received(chunk, raw, source, now_ms)
