"""Records that a topic holds now, from a place to an end, without a consumer group: for looking back."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.adapters.kafka.client import ANSWER_TIMEOUT_S, cluster_metadata, consumer_config, kafka_error
from pipeline.config import KafkaSettings
from pipeline.errors import BrokerUnreachable, SetupError

SILENCE_S: Final = 15.0
"""A broker that gives nothing for so long, though there is more to read, counts as absent."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record and where it stands."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition: from ``first`` on, before ``end``."""

    first: int
    end: int

    def __bool__(self) -> bool:
        return self.first < self.end


Spans = Mapping[int, Span]
"""Partition to the offsets of it."""


def kept(settings: KafkaSettings, topic: str) -> Spans:
    """What Kafka holds of the topic at this moment. Raises BrokerUnreachable, and SetupError without the topic."""
    known = cluster_metadata(settings).topics.get(topic)
    if known is None:
        address = settings.bootstrap_servers
        raise SetupError(f"no topic {topic} at {address}: create the topics with `voxflow topics`")
    with closing(_consumer(settings)) as consumer:
        return {number: _kept(consumer, TopicPartition(topic, number), settings) for number in known.partitions}


def from_time(settings: KafkaSettings, topic: str, spans: Spans, at_ms: int) -> Spans:
    """What is left of the spans from the first record that is no older than ``at_ms`` (wall clock) in each."""
    with closing(_consumer(settings)) as consumer:
        asked = [TopicPartition(topic, number, at_ms) for number in spans]
        try:
            found = consumer.offsets_for_times(asked, timeout=ANSWER_TIMEOUT_S)
        except KafkaException as exc:
            raise kafka_error(exc.args[0], settings, f"{topic} was searched for a time") from exc
    # A negative offset stands for the end: nothing is that new.
    firsts = {one.partition: one.offset if one.offset >= 0 else spans[one.partition].end for one in found}
    return {number: Span(max(span.first, firsts[number]), span.end) for number, span in spans.items()}


def stored_records(settings: KafkaSettings, topic: str, spans: Spans) -> Iterator[StoredRecord]:
    """The records within the spans, in order within each partition. Raises BrokerUnreachable and SetupError."""
    wanted = {number: span for number, span in spans.items() if span}
    with closing(_consumer(settings)) as consumer:
        consumer.assign([TopicPartition(topic, number, span.first) for number, span in wanted.items()])
        while wanted:
            message = consumer.poll(SILENCE_S)
            if message is None:
                raise BrokerUnreachable(
                    f"Kafka at {settings.bootstrap_servers} gave nothing of {topic} for {SILENCE_S:.0f} s: "
                    "see `voxflow status`"
                )
            yield from _within(message, wanted, settings)


def _within(message: Message, wanted: dict[int, Span], settings: KafkaSettings) -> Iterator[StoredRecord]:
    """The message's record, if it is within its span. Partitions that are read to their end leave ``wanted``.

    The last offsets may hold no records (compaction, transactions), so a partition's end counts as well.
    """
    partition, offset = message.partition() or 0, message.offset() or 0
    error = message.error()
    if error is not None and error.code() == KafkaError._PARTITION_EOF:
        wanted.pop(partition, None)
    elif error is not None:
        if not error.retriable():
            raise kafka_error(error, settings, f"{message.topic()} was read")
    elif partition in wanted:
        if offset < wanted[partition].end:
            yield StoredRecord(partition, offset, _bytes(message.key()), _bytes(message.value()) or b"")
        if offset + 1 >= wanted[partition].end:
            del wanted[partition]


def _kept(consumer: Consumer, partition: TopicPartition, settings: KafkaSettings) -> Span:
    try:
        return Span(*consumer.get_watermark_offsets(partition, timeout=ANSWER_TIMEOUT_S))
    except KafkaException as exc:
        raise kafka_error(exc.args[0], settings, f"{partition.topic} was opened") from exc


def _consumer(settings: KafkaSettings) -> Consumer:
    return Consumer(consumer_config(settings, "voxflow-scan", enable_partition_eof=True))


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
