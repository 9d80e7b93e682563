"""Bad records among good ones: aside they go, whole and with their reason, and the session goes on."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.adapters.audio_files import ChunkPlan, chunks_of_file
from pipeline.adapters.kafka import TranscriptReader
from pipeline.adapters.kafka.client import MAX_RECORD_BYTES, client_config
from pipeline.codecs.avro import decode_dead_letter, encode_chunk
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk, Codec, DeadLetter, Transcript, TranscriptKind
from pipeline.local.jobs import Jobs
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e

PATIENCE_S = 60
SESSION = "poisoned"


def unknown_codec(chunk: AudioChunk) -> bytes:
    """The chunk with a codec that no schema names: the only byte in which two codecs' records differ, set to 99."""
    opus, alaw = encode_chunk(chunk), encode_chunk(replace(chunk, codec=Codec.ALAW))
    (place,) = [index for index, (one, other) in enumerate(zip(opus, alaw, strict=True)) if one != other]
    return opus[:place] + bytes([99]) + opus[place + 1 :]


def poison(session: list[AudioChunk]) -> dict[int, tuple[bytes, str]]:
    """Number of a chunk in the middle of the session to a bad record that comes before it, and the error's name."""
    good, newest_ms = encode_chunk(session[10]), session[-1].captured_at_ms
    return {
        10: (b"no Avro at all", "UndecodableRecord"),
        15: (good[:2] + bytes(8) + good[10:], "UndecodableRecord"),
        20: (unknown_codec(session[20]), "UnknownCodec"),
        25: (encode_chunk(replace(session[25], sample_rate_hz=12_345)), "InvalidChunk"),
        30: (encode_chunk(replace(session[30], packets=(bytes(1_100_000),))), "InvalidChunk"),
        35: (encode_chunk(replace(session[3], captured_at_ms=newest_ms + 60_000)), "OutOfSequence"),
    }


def test_bad_records_go_to_the_dead_letters_whole_and_the_session_goes_on(
    recordings: list[Path], kafka: KafkaSettings, stack: Stack, job: str
) -> None:
    session = list(chunks_of_file(recordings[0], SESSION, ChunkPlan(), 1_000_000))
    broken_packet = replace(session[40], packets=(b"\xff" * 40,))
    bad = poison(session)
    sent = [record for chunk in session for record in (*bad.get(chunk.seq, ())[:1], encode_chunk(chunk))]
    sent[sent.index(encode_chunk(session[40]))] = encode_chunk(broken_packet)

    with TranscriptReader(kafka, sessions=[SESSION]) as reader:
        publish(sent, kafka)
        transcripts = until_the_end(reader)
    letters = dead_letters(kafka, count=len(bad) + 1)

    expected = dict(bad.values()) | {encode_chunk(broken_packet): "UndecodablePacket"}
    assert {letter.raw: letter.error for letter in letters} == expected
    assert all(letter.message and letter.source.topic == kafka.topics.audio for letter in letters)
    assert len({letter.source.offset for letter in letters}) == len(letters)
    assert "".join(each.text for each in transcripts if each.is_final)
    assert sum(each.gap_ms for each in transcripts if each.kind is TranscriptKind.SESSION_END) == 100
    assert Jobs(stack.settings).rest.all_tasks_run(job)


def publish(records: Iterable[bytes], kafka: KafkaSettings) -> None:
    producer = Producer(client_config(kafka, message_max_bytes=MAX_RECORD_BYTES))
    for record in records:
        producer.produce(kafka.topics.audio, record, SESSION.encode())
    assert producer.flush(PATIENCE_S) == 0


def until_the_end(reader: TranscriptReader) -> list[Transcript]:
    transcripts: list[Transcript] = []
    give_up_s = time.monotonic() + PATIENCE_S
    while not any(each.kind is TranscriptKind.SESSION_END for each in transcripts):
        assert time.monotonic() < give_up_s, f"the session did not end; it gave {transcripts}"
        transcripts += reader.poll(0.2)
    return transcripts


def dead_letters(kafka: KafkaSettings, count: int) -> list[DeadLetter]:
    consumer = Consumer(client_config(kafka, group_id="dead-letters", enable_auto_commit=False))
    consumer.assign([TopicPartition(kafka.topics.dead_letters, 0, 0)])
    letters: list[DeadLetter] = []
    give_up_s = time.monotonic() + PATIENCE_S
    while len(letters) < count and time.monotonic() < give_up_s:
        message = consumer.poll(0.2)
        letters += [] if message is None else [decode_dead_letter(message.value() or b"")]
    consumer.close()
    return letters
