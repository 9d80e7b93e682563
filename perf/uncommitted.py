"""A listener to finals who does not wait until they are committed; no part of Voxflow reads so."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from pipeline.adapters.kafka.client import ANSWER_TIMEOUT_S, client_config, kafka_error
from pipeline.adapters.kafka.reader import TranscriptId, transcript_id
from pipeline.client.sessions import wall_ms
from pipeline.codecs.avro import decode_transcript
from pipeline.config import KafkaSettings

POLL_S: Final = 0.1


@contextmanager
def listening(kafka: KafkaSettings) -> Iterator[dict[TranscriptId, int]]:
    """From now on each transcript of the finals' topic and when it came, wall clock; complete once the block is left.

    Raises what reading raises, at the end of the block.
    """
    listener = _Listener(kafka)
    listener.start()
    try:
        yield listener.came_at_ms
    finally:
        listener.stop()
    listener.verify()


class _Listener:
    def __init__(self, kafka: KafkaSettings) -> None:
        self.came_at_ms: dict[TranscriptId, int] = {}
        self._kafka, self._consumer = kafka, _consumer(kafka)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uncommitted-listener", daemon=True)
        self._failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def verify(self) -> None:
        """Raises what made listening fail."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with closing(self._consumer):
                while not self._stopping.is_set():
                    self._hear()
        except BaseException as exc:  # handed to the thread that measures
            self._failure = exc

    def _hear(self) -> None:
        message = self._consumer.poll(POLL_S)
        if message is None:
            return
        if (error := message.error()) is not None:
            raise kafka_error(error, self._kafka, "uncommitted finals were read")
        self.came_at_ms.setdefault(transcript_id(decode_transcript(message.value() or b"")), wall_ms())


def _consumer(kafka: KafkaSettings) -> Consumer:
    """At the end of each partition, already found, so that nothing written from now on is missed."""
    more: dict[str, str | bool] = {"enable_auto_commit": False, "isolation_level": "read_uncommitted"}
    consumer = Consumer(client_config(kafka, group_id="voxflow-perf-uncommitted", **more))
    topic = kafka.topics.finals
    numbers = consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].partitions
    partitions = [TopicPartition(topic, number) for number in numbers]
    consumer.assign([_at_end(consumer, partition) for partition in partitions])
    return consumer


def _at_end(consumer: Consumer, partition: TopicPartition) -> TopicPartition:
    _, end = consumer.get_watermark_offsets(partition, timeout=ANSWER_TIMEOUT_S)
    return TopicPartition(partition.topic, partition.partition, end)
