"""Records that could not be used, to a dead-letter topic: stored before the call returns."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.adapters.kafka.client import client_config, kafka_error
from pipeline.adapters.kafka.topics import MAX_DEAD_LETTER_BYTES
from pipeline.codecs.avro import encode_dead_letter
from pipeline.config import KafkaSettings
from pipeline.domain.types import DeadLetter
from pipeline.errors import BrokerUnreachable

STORED_TIMEOUT_S: Final = 30.0


class DeadLetterWriter:
    """Writes to ``topic``. It connects with the first letter. Not for several threads at once."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._producer: Producer | None = None
        self._failure: KafkaError | None = None

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Returns once all are stored. Raises BrokerUnreachable, and SetupError if Kafka refuses one."""
        if not letters:
            return
        producer = self._connected()
        self._failure = None
        for letter in letters:
            self._queue(producer, letter)
        waiting = producer.flush(STORED_TIMEOUT_S)
        if self._failure is not None:
            raise kafka_error(self._failure, self._settings, f"dead letters were written to {self._topic}")
        if waiting:
            raise BrokerUnreachable(
                f"Kafka at {self._settings.bootstrap_servers} did not store {waiting} dead letters within "
                f"{STORED_TIMEOUT_S:.0f} s: see `voxflow status`"
            )

    def _queue(self, producer: Producer, letter: DeadLetter) -> None:
        key = None if letter.session_id is None else letter.session_id.encode()
        try:
            producer.produce(self._topic, encode_dead_letter(letter), key, on_delivery=self._delivered)
        except (BufferError, KafkaException) as exc:
            code = KafkaError._QUEUE_FULL if isinstance(exc, BufferError) else exc.args[0].code()
            self._failure = self._failure or KafkaError(code)

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                client_config(
                    self._settings,
                    enable_idempotence=True,
                    acks="all",
                    delivery_timeout_ms=int(STORED_TIMEOUT_S * 1000),
                    message_max_bytes=MAX_DEAD_LETTER_BYTES,
                )
            )
        return self._producer

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._failure = self._failure or error
