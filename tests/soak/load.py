"""Many sessions at once, out of records that were encoded beforehand: the machine is shared with what is measured."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Producer

from pipeline.adapters.kafka.client import client_config
from pipeline.client.pacing import Start
from pipeline.codecs.avro import encode_chunk
from pipeline.config import KafkaSettings
from tests.chaos.speech import CHUNK_MS
from tests.soak.scripts import Played

SPREAD_MS: Final = 2_000
"""All sessions begin within this time, evenly: people do not speak in step."""

LINGER_MS: Final = 5
FLUSH_S: Final = 60.0
FULL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Due:
    """An encoded chunk and when its last sample would have been captured, wall clock."""

    at_ms: int
    key: bytes
    value: bytes


def starts(sessions: Sequence[Played], start_at_ms: int) -> dict[str, int]:
    """Session id to the wall clock of its first sample."""
    return {one.session_id: start_at_ms + n * SPREAD_MS // len(sessions) for n, one in enumerate(sessions)}


def encoded(sessions: Sequence[Played], start_at_ms: int) -> list[Due]:
    """The chunks of all sessions in the order in which they are due."""
    begins = starts(sessions, start_at_ms)
    chunks = (chunk for one in sessions for chunk in one.script.played(one.session_id, begins[one.session_id]))
    records = [Due(chunk.captured_at_ms + CHUNK_MS, chunk.session_id.encode(), encode_chunk(chunk)) for chunk in chunks]
    return sorted(records, key=lambda record: record.at_ms)


class LoadGenerator:
    """Publishes records as they are due, or with ``start`` None all at once, in a thread of its own.

    Once it is finished, ``ended_s`` says when (monotonic) and ``late_ms`` how late it ever was: a generator that
    cannot keep up would take the load from what it is to load.
    """

    def __init__(self, records: Sequence[Due], kafka: KafkaSettings, start: Start | None) -> None:
        self._records, self._start, self._topic = records, start, kafka.topics.audio
        self._producer = Producer(client_config(kafka, linger_ms=LINGER_MS, acks="all", enable_idempotence=True))
        self._thread = threading.Thread(target=self._run, name="load-generator", daemon=True)
        self.ended_s = 0.0
        self.late_ms = 0.0

    def start(self) -> None:
        self._thread.start()

    @property
    def finished(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        for record in self._records:
            self._await(record)
            self._publish(record)
        self._producer.flush(FLUSH_S)
        self.ended_s = time.monotonic()

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
