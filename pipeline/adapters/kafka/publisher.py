"""Chunks to the audio topic: keyed by session, in order, none twice, none lost in silence."""

import time
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.adapters.kafka.client import (
    ANSWER_TIMEOUT_S,
    MAX_RECORD_BYTES,
    client_config,
    kafka_error,
    require_broker,
)
from pipeline.codecs.avro import encode_chunk
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk
from pipeline.errors import BrokerUnreachable

LINGER_MS: Final = 2
"""Long enough that the chunks of many sessions share a request, short enough not to be noticed in a caption."""

DELIVERY_TIMEOUT_MS: Final = 30_000
"""A broker may restart within this time without the producer losing anything."""

_QUEUE_FULL_WAIT_S: Final = 0.05


class ChunkPublisher:
    """Publishes audio chunks; use it as a context manager, so that what is queued is sent before it goes.

    Not for several threads at once. Raises BrokerUnreachable when made, if no broker answers.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        require_broker(settings)
        self._settings = settings
        self._failure: KafkaError | None = None
        self._producer = Producer(
            client_config(
                settings,
                enable_idempotence=True,
                acks="all",
                linger_ms=LINGER_MS,
                delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
                message_max_bytes=MAX_RECORD_BYTES,
            )
        )

    def publish(self, chunk: AudioChunk) -> None:
        """Queues one chunk, waiting while the queue is full. Raises the error that an earlier chunk met on its way."""
        value, key = encode_chunk(chunk), chunk.session_id.encode()
        give_up_s = time.monotonic() + DELIVERY_TIMEOUT_MS / 1000
        while not self._queued(key, value):
            if time.monotonic() > give_up_s:
                raise kafka_error(KafkaError(KafkaError._MSG_TIMED_OUT), self._settings, "a chunk was published")
            self._producer.poll(_QUEUE_FULL_WAIT_S)
        self._producer.poll(0)
        self._raise_failure()

    def flush(self, timeout_s: float = DELIVERY_TIMEOUT_MS / 1000) -> None:
        """Returns when every chunk is stored. Raises VoxflowError if one was refused or is still queued by then."""
        queued = self._producer.flush(timeout_s)
        self._raise_failure()
        if queued:
            raise BrokerUnreachable(
                f"Kafka at {self._settings.bootstrap_servers} did not take the last {queued} chunks within "
                f"{timeout_s:.0f} s: see `voxflow status`"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sends what is queued; on the way out of an error, briefly and without hiding that error."""
        if error is None:
            self.flush()
        else:
            self._producer.flush(ANSWER_TIMEOUT_S)

    def _queued(self, key: bytes, value: bytes) -> bool:
        topic = self._settings.topics.audio
        try:
            self._producer.produce(topic, value, key, on_delivery=self._delivered)
        except BufferError:
            return False
        except KafkaException as exc:
            raise kafka_error(exc.args[0], self._settings, f"a chunk was published to {topic}") from exc
        return True

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        """The first failure is the cause; those after it are its consequences."""
        self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise kafka_error(self._failure, self._settings, f"a chunk was published to {self._settings.topics.audio}")
