"""What only a real broker can show: topics that stay as they were made, and large records."""

from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.adapters.kafka import Beginning, ChunkPublisher, TranscriptReader, ensure_topics
from pipeline.codecs.avro import decode_chunk, encode_transcript
from pipeline.config import KafkaSettings, Topics
from pipeline.local.stack import Stack
from tests.client.helpers import chunk, final, session_end

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def settings(stack: Stack) -> KafkaSettings:
    """The shared broker, with topics that no other test and no job reads."""
    names = Topics("adapters.audio", "adapters.dlq", "adapters.partial", "adapters.final")
    return KafkaSettings(f"localhost:{stack.settings.kafka_port}", names)


def test_topics_are_made_once_with_the_partitions_asked_for(settings: KafkaSettings) -> None:
    first, second = ensure_topics(settings, 3), ensure_topics(settings, 5)
    assert [(one.partitions, one.created) for one in first] == [(3, True), (1, True), (3, True), (3, True)]
    assert [(one.partitions, one.created) for one in second] == [(3, False), (1, False), (3, False), (3, False)]


def test_a_chunk_of_more_than_a_megabyte_reaches_the_audio_topic(settings: KafkaSettings) -> None:
    ensure_topics(settings, 3)
    large = replace(chunk(session_id="large"), packets=(bytes(3_000_000),))
    with ChunkPublisher(settings) as publisher:
        publisher.publish(large)
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": "test"})
    consumer.assign([TopicPartition(settings.topics.audio, number, 0) for number in range(3)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert decode_chunk(message.value() or b"") == large


def test_transcripts_come_back_as_they_were_written(settings: KafkaSettings) -> None:
    ensure_topics(settings, 3)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for transcript in (final(), session_end()):
        producer.produce(settings.topics.finals, encode_transcript(transcript), b"s")
    assert producer.flush(20) == 0
    with TranscriptReader(settings, Beginning()) as reader:
        assert reader.poll(20) + reader.poll(1) == [final(), session_end()]
