"""From the bytes of the audio topic to sessions: whatever they are, the job goes on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyflink.common import Row

from pipeline.codecs.avro import decode_dead_letter, encode_chunk
from pipeline.codecs.decoders import make_decoder
from pipeline.codecs.encoders import make_encoder
from pipeline.domain.session import Ports
from pipeline.domain.types import AudioChunk, Codec
from pipeline.flink.hops import unpacked
from pipeline.flink.ingest_function import IngestFunction
from pipeline.flink.outputs import DEAD_LETTERS
from pipeline.flink.session_function import SessionFunction
from pipeline.flink.settings import JobSettings
from tests.domain.helpers import EnergyDetector
from tests.flink.harness import KeyedState, Operator

STORED_AT_MS = 1_500
RATES_HZ = {Codec.MULAW: 8_000, Codec.ALAW: 8_000}


def records(codec: Codec) -> list[bytes]:
    """A second of noise as a producer would send it."""
    rate_hz = RATES_HZ.get(codec, 16_000)
    encoder = make_encoder(codec, rate_hz, 1)
    noise = np.random.default_rng(1).integers(-9_000, 9_000, (10, 1, rate_hz // 10)).astype(np.int16)
    chunks = [
        AudioChunk("s", seq, 1_000 + 100 * seq, codec, rate_hz, 1, tuple(encoder.encode(block)), seq == 9)
        for seq, block in enumerate(noise)
    ]
    return [encode_chunk(chunk) for chunk in chunks]


class StoredAt:
    """The context of a record that Kafka stored at that time."""

    def timestamp(self) -> int:
        return STORED_AT_MS


def ingested(raw: bytes | None) -> list[Any]:
    return list(IngestFunction("audio").process_element(Row(raw, 3, 42, None), StoredAt()))


def test_a_valid_record_goes_on_with_its_bytes_and_its_place() -> None:
    (raw, *_) = records(Codec.OPUS)
    ((session_id, values),) = ingested(raw)
    received = unpacked(values)
    assert session_id == received.chunk.session_id == "s"
    assert (received.raw, received.source.partition, received.source.offset) == (raw, 3, 42)


@pytest.mark.parametrize("raw", [None, b"", b"no Avro"])
def test_a_record_that_is_no_chunk_becomes_a_dead_letter_with_its_place(raw: bytes | None) -> None:
    (tag, row), *_ = ingested(raw)
    letter = decode_dead_letter(row[1])
    assert (tag, letter.raw, letter.source.offset, letter.error) == (DEAD_LETTERS, raw or b"", 42, "UndecodableRecord")


@settings(deadline=None, max_examples=150)
@given(
    codec=st.sampled_from(list(Codec)),
    damage=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5_000), st.binary(max_size=6)), min_size=1, max_size=8),
)
def test_no_damage_to_records_stops_the_job(codec: Codec, damage: list[tuple[int, int, bytes]]) -> None:
    damaged = records(codec)
    for number, place, junk in damage:
        raw = damaged[number]
        at = place % (len(raw) + 1)
        damaged[number] = raw[:at] + junk + raw[at + len(junk) :]
    sessions = Operator(SessionFunction(JobSettings(), lambda _: Ports(make_decoder, EnergyDetector)), KeyedState())
    for raw in damaged:
        for each in ingested(raw):
            if isinstance(each, Row):
                sessions.send(*each)
