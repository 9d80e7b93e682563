"""What only a real broker can show: topics that stay as they were made, and large records."""

import time
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType

from pipeline.adapters.kafka import Beginning, ChunkPublisher, GroupReader, TranscriptReader, ensure_topics
from pipeline.adapters.kafka.client import admin_client, cluster_metadata
from pipeline.adapters.kafka.scan import kept, stored_records
from pipeline.adapters.kafka.topics import topic_plans
from pipeline.codecs.avro import decode_chunk, decode_transcript, encode_transcript
from pipeline.config import KafkaSettings, Topics
from pipeline.local.process import wait_until
from pipeline.local.stack import Stack
from tests.client.helpers import chunk, final, session_end

pytestmark = pytest.mark.e2e

PATIENCE_S = 20


@pytest.fixture(scope="module")
def settings(stack: Stack) -> KafkaSettings:
    """The shared broker, with topics that no other test and no job reads."""
    names = Topics(
        "adapters.audio",
        "adapters.dlq",
        "adapters.partial",
        "adapters.final",
        "adapters.usage",
        "adapters.delivery-dlq",
    )
    return KafkaSettings(f"localhost:{stack.settings.kafka_port}", names)


def test_topics_are_made_once_with_the_partitions_asked_for(settings: KafkaSettings) -> None:
    planned = [plan.partitions for plan in topic_plans(settings, 3)]
    first, second = ensure_topics(settings, 3), ensure_topics(settings, 5)
    assert [(one.partitions, one.created) for one in first] == [(count, True) for count in planned]
    assert [(one.partitions, one.created) for one in second] == [(count, False) for count in planned]


def test_audio_is_stamped_by_the_broker_also_in_a_topic_that_was_made_otherwise(settings: KafkaSettings) -> None:
    mine = replace(settings, topics=replace(settings.topics, audio="adapters.producers-time"))
    admin = admin_client(mine)
    made = admin.create_topics([NewTopic(mine.topics.audio, num_partitions=1, replication_factor=1)])
    made[mine.topics.audio].result()
    give_up_s = time.monotonic() + PATIENCE_S
    while mine.topics.audio not in cluster_metadata(mine).topics:
        assert time.monotonic() < give_up_s, "the broker does not know the topic that it made"
    ensure_topics(mine)
    asked = ConfigResource(ResourceType.TOPIC, mine.topics.audio)
    present = admin.describe_configs([asked])[asked].result()
    assert present["message.timestamp.type"].value == "LogAppendTime"


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


def test_readers_see_committed_transactions_only_and_have_then_seen_everything(settings: KafkaSettings) -> None:
    topic = "adapters.transactions"
    mine = replace(settings, topics=replace(settings.topics, finals=topic))
    ensure_topics(mine, 1)
    producer = Producer({"bootstrap.servers": mine.bootstrap_servers, "transactional.id": "adapters"})
    producer.init_transactions(PATIENCE_S)
    for end in (producer.abort_transaction, producer.commit_transaction, None):
        producer.begin_transaction()
        producer.produce(topic, encode_transcript(final(text="open" if end is None else end.__name__)), b"s")
        assert producer.flush(PATIENCE_S) == 0
        if end is not None:
            end(PATIENCE_S)
    committed = final(text="commit_transaction")

    with TranscriptReader(mine, Beginning(), partials=False) as reader:
        assert reader.poll(PATIENCE_S) + reader.poll(1) == [committed]
    stored = list(stored_records(mine, topic, kept(mine, topic)))
    assert [decode_transcript(record.value) for record in stored] == [committed]
    producer.abort_transaction(PATIENCE_S)
    group = GroupReader(mine, "adapters", [topic])
    taken = group.take(10, PATIENCE_S)
    assert [decode_transcript(record.value) for record in taken] == [committed]
    group.done([record.source for record in taken])
    assert wait_until(lambda: not group.take(10, 0.1) and group.lag(fresh=True) == 0, PATIENCE_S)
    group.close()


def test_transcripts_come_back_as_they_were_written(settings: KafkaSettings) -> None:
    ensure_topics(settings, 3)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for transcript in (final(), session_end()):
        producer.produce(settings.topics.finals, encode_transcript(transcript), b"s")
    assert producer.flush(20) == 0
    with TranscriptReader(settings, Beginning()) as reader:
        assert reader.poll(20) + reader.poll(1) == [final(), session_end()]
