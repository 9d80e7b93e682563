"""Kafka, against the mock broker inside librdkafka: real clients, real protocol, no server."""

import time
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.adapters.kafka import Beginning, ChunkPublisher, End, TranscriptReader, require_broker
from pipeline.adapters.kafka.reader import RecentIds
from pipeline.adapters.kafka.topics import topic_plans
from pipeline.codecs.avro import decode_chunk, encode_transcript
from pipeline.config import KafkaSettings
from pipeline.domain.types import Transcript
from pipeline.errors import BrokerUnreachable, SetupError
from tests.client.helpers import chunk, final, partial, session_end

NOBODY = KafkaSettings("localhost:9")
TOPICS = KafkaSettings().topics


@dataclass
class MockBroker:
    """A broker that lives as long as this producer; topics come into being when they are written to."""

    producer: Producer
    settings: KafkaSettings

    def publish(self, *transcripts: Transcript) -> None:
        """To the topic of their kind, keyed by session, and stored when this returns."""
        for transcript in transcripts:
            topic = TOPICS.finals if transcript.kind.value != "PARTIAL" else TOPICS.partials
            self.producer.produce(topic, encode_transcript(transcript), transcript.session_id.encode())
        assert self.producer.flush(10) == 0


@pytest.fixture
def empty_broker() -> MockBroker:
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (address,) = (f"{one.host}:{one.port}" for one in producer.list_topics(timeout=10).brokers.values())
    return MockBroker(producer, KafkaSettings(address))


@pytest.fixture
def broker(empty_broker: MockBroker) -> MockBroker:
    """Both transcript topics exist, and somebody has spoken before."""
    empty_broker.publish(final(session_id="earlier"), partial(session_id="earlier"))
    return empty_broker


def read(reader: TranscriptReader, count: int) -> list[Transcript]:
    """At least ``count`` transcripts, or what has come within some seconds."""
    found: list[Transcript] = []
    give_up_s = time.monotonic() + 10
    while len(found) < count and time.monotonic() < give_up_s:
        found += reader.poll(0.1)
    return found + reader.poll(0.3)


def test_a_reader_sees_what_is_published_after_it_was_made_and_nothing_earlier(broker: MockBroker) -> None:
    with TranscriptReader(broker.settings, End()) as reader:
        broker.publish(final(), session_end())
        assert read(reader, 2) == [final(), session_end()]


def test_a_reader_from_the_beginning_sees_everything(broker: MockBroker) -> None:
    with TranscriptReader(broker.settings, Beginning()) as reader:
        assert {one.kind.value for one in read(reader, 2)} == {"FINAL", "PARTIAL"}


def test_a_reader_starts_at_the_offsets_it_is_given(broker: MockBroker) -> None:
    broker.publish(final(session_id="earlier", segment=1))
    starts = {(TOPICS.finals, number): 1 for number in range(4)}
    with TranscriptReader(broker.settings, starts, partials=False) as reader:
        assert [one.segment for one in read(reader, 1)] == [1]


def test_repeats_after_a_restart_of_the_job_are_dropped(broker: MockBroker) -> None:
    with TranscriptReader(broker.settings) as reader:
        broker.publish(final(), final(), session_end(), session_end())
        assert read(reader, 2) == [final(), session_end()]


def test_a_reader_of_some_sessions_ignores_the_others(broker: MockBroker) -> None:
    with TranscriptReader(broker.settings, sessions=["mine"]) as reader:
        broker.publish(final(session_id="theirs"), final(session_id="mine"))
        assert [one.session_id for one in read(reader, 1)] == ["mine"]


def test_without_partials_the_partial_topic_is_left_alone(broker: MockBroker) -> None:
    with TranscriptReader(broker.settings, partials=False) as reader:
        broker.publish(partial(), final())
        assert read(reader, 1) == [final()]


def test_a_record_that_is_no_transcript_is_skipped(broker: MockBroker) -> None:
    with TranscriptReader(broker.settings) as reader:
        broker.producer.produce(TOPICS.finals, b"not Avro", b"s")
        broker.publish(final())
        assert read(reader, 1) == [final()]


def test_missing_topics_are_named_with_the_cure(empty_broker: MockBroker) -> None:
    with pytest.raises(SetupError, match=f"no topic {TOPICS.partials} or {TOPICS.finals} .*voxflow topics"):
        TranscriptReader(empty_broker.settings)


def test_chunks_of_a_session_arrive_in_order_in_one_partition(broker: MockBroker) -> None:
    with ChunkPublisher(broker.settings) as publisher:
        for seq in range(50):
            publisher.publish(chunk(seq))
    consumer = Consumer({"bootstrap.servers": broker.settings.bootstrap_servers, "group.id": "test", "log_level": 0})
    consumer.assign([TopicPartition(TOPICS.audio, number, 0) for number in range(4)])
    messages = consumer.consume(50, timeout=10)
    consumer.close()
    assert [decode_chunk(message.value() or b"").seq for message in messages] == list(range(50))
    assert {message.key() for message in messages} == {b"s"}
    assert len({message.partition() for message in messages}) == 1


def test_an_absent_broker_is_one_line_that_names_address_and_cure(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokerUnreachable, match=r"localhost:9.*voxflow up") as raised:
        require_broker(NOBODY, timeout_s=1)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_the_audio_topic_takes_large_chunks_and_dead_letters_still_larger_ones() -> None:
    limits = {plan.name: plan.max_bytes for plan in topic_plans(KafkaSettings(), 8)}
    assert (limits[TOPICS.audio] or 0) < (limits[TOPICS.dead_letters] or 0)


def test_topics_of_sessions_have_as_many_partitions_as_asked_and_the_others_one() -> None:
    plans = topic_plans(KafkaSettings(), 32)
    assert {plan.name for plan in plans if plan.partitions == 32} == {TOPICS.audio, TOPICS.partials, TOPICS.finals}
    assert {plan.partitions for plan in plans} == {1, 32}


def test_an_existing_topic_changes_only_where_it_falls_short() -> None:
    (audio,) = [plan for plan in topic_plans(KafkaSettings()) if plan.name == TOPICS.audio]
    larger = {"max.message.bytes": "9999999", "message.timestamp.type": "CreateTime", "retention.ms": "1"}
    assert audio.corrections(larger) == {"message.timestamp.type": "LogAppendTime"}
    assert audio.corrections(audio.config) == {}


def test_ids_are_forgotten_oldest_first() -> None:
    recent = RecentIds(limit=2)
    assert [recent.is_new(final(segment=segment)) for segment in (0, 0, 1, 2, 1, 0)] == [
        True, False, True, True, False, True,
    ]  # fmt: skip
