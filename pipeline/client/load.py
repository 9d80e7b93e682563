"""Many sessions at once, out of records that were encoded beforehand: the machine is shared with what is measured."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Producer

from pipeline.adapters.kafka.client import client_config
from pipeline.client.pacing import Start
from pipeline.config import KafkaSettings

LINGER_MS: Final = 5
FLUSH_S: Final = 60.0
FULL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Due:
    """An encoded chunk and when its last sample would have been captured, wall clock."""

    at_ms: int
    key: bytes
    value: bytes


class LoadGenerator:
    """Publishes records as they are due, or with ``start`` None all at once, in a thread of its own.

    Once it is finished, ``ended_s`` says when (monotonic) and ``late_ms`` how late it ever was: a generator that
    cannot keep up would take the load from what it is to load.
    """

    def __init__(self, records: Sequence[Due], kafka: KafkaSettings, start: Start | None) -> None:
        self._records, self._start, self._topic = records, start, kafka.topics.audio
        self._producer = Producer(client_config(kafka, linger_ms=LINGER_MS, acks="all", enable_idempotence=True))
        self._thread = threading.Thread(target=self._run, name="load-generator", daemon=True)
        self._failure: BaseException | None = None
        self.ended_s = 0.0
        self.late_ms = 0.0

    def start(self) -> None:
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether all records are stored. Raises what made publishing fail."""
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for record in self._records:
                self._await(record)
                self._publish(record)
            self._producer.flush(FLUSH_S)
            self.ended_s = time.monotonic()
        except BaseException as exc:  # handed to the thread that listens
            self._failure = exc

    def _await(self, record: Due) -> None:
        if self._start is None:
            return
        due_s = self._start.monotonic_s + (record.at_ms - self._start.at_ms) / 1000
        early_s = due_s - time.monotonic()
        if early_s > 0:
            time.sleep(early_s)
        self.late_ms = max(self.late_ms, -early_s * 1000)

    def _publish(self, record: Due) -> None:
        while True:
            try:
                self._producer.produce(self._topic, record.value, record.key)
            except BufferError:
                self._producer.poll(FULL_S)
            else:
                self._producer.poll(0)
                return
