"""Records of topics shared out among the members of a consumer group, committed once they were dealt with.

Partitions move one by one between members (cooperative rebalancing), so a member that comes or goes stops nobody. The
group hears from its members through ``take`` and ``idle``: call one of them at least every few minutes.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.adapters.kafka.client import ANSWER_TIMEOUT_S, cluster_metadata, consumer_config, kafka_error
from pipeline.config import KafkaSettings
from pipeline.domain.types import SourcePosition
from pipeline.errors import SetupError, ViewUnavailable

log = logging.getLogger(__name__)

COMMIT_EVERY_S: Final = 0.1
"""Records dealt with since the last commit come again after a crash: these few, and no request for each."""

CUT_OFF_TIMEOUT_S: Final = 1.0
"""How long a broker may take to answer after all connections were lost."""

SESSION_TIMEOUT_MS: Final = 10_000
"""After so long without a heartbeat a member counts as dead, and the others take over its partitions."""

Partition = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in Kafka; one without a value has no bytes."""

    source: SourcePosition
    value: bytes


class GroupReader:
    """One member of a group, for one thread. Raises BrokerUnreachable, and SetupError if a topic is missing."""

    def __init__(self, settings: KafkaSettings, group: str, topics: Sequence[str]) -> None:
        _require_topics(settings, topics)
        self._settings = settings
        self._reached: dict[Partition, int] = {}
        self._polled: dict[Partition, int] = {}
        self._uncommitted: set[Partition] = set()
        self._committed_at_s = 0.0
        self._dropped: set[Partition] = set()
        self._held: list[Message] = []
        self._is_paused = False
        self._may_be_cut_off = False
        config = consumer_config(
            settings,
            group,
            auto_offset_reset="earliest",
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=SESSION_TIMEOUT_MS // 5,
            fetch_message_max_bytes=1024 * 1024,
            queued_max_messages_kbytes=16 * 1024,
        )
        self._consumer = Consumer(config | {"on_commit": _note_commit, "error_cb": self._note_error})
        self._consumer.subscribe(list(topics), on_revoke=self._revoked, on_lost=self._lost)

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """What has arrived, ``limit`` records at most; waits up to ``wait_s`` for the first, never for a second.

        Raises BrokerUnreachable while Kafka is away; call it again, and it goes on once Kafka is back.
        """
        self._require_broker()
        self._resume()
        is_more = self._hold_next(0 if self._held else wait_s)
        while is_more:
            is_more = len(self._held) < limit and self._hold_next(0)
        taken, self._held = self._held[:limit], self._held[limit:]
        self._dropped.clear()
        self._commit_when_due()
        return [record for message in taken for record in self._record(message)]

    def idle(self, wait_s: float) -> None:
        """Spends the time without taking anything, but stays a member of the group."""
        self._consumer.pause(self._consumer.assignment())
        self._is_paused = True
        # A partition that came just now was not paused yet: its first record waits for the next take.
        self._hold_next(wait_s)

    def done(self, positions: Sequence[SourcePosition]) -> None:
        """These records, and all before them, need not come again. Those of partitions that moved away are not ours."""
        for position in positions:
            partition = (position.topic, position.partition)
            self._reached[partition] = max(position.offset + 1, self._reached.get(partition, 0))
            self._uncommitted.add(partition)
        self._commit_when_due()

    def dropped(self) -> frozenset[Partition]:
        """The partitions taken away since records were taken: another member will be given those records."""
        dropped = frozenset(self._dropped)
        self._dropped.clear()
        return dropped

    def rewind(self, partitions: Collection[Partition]) -> int:
        """Goes back to the first records of those partitions that are ours, and commits that before anything is read.

        Returns how many records the group had done, and will see again. Raises ViewUnavailable where Kafka does not
        agree at once: call it again.
        """
        self._held = [message for message in self._held if _partition(message) not in partitions]
        ours = [one for one in self._consumer.assignment() if (one.topic, one.partition) in partitions]
        try:
            return sum(self._go_to_start(one) for one in self._consumer.committed(ours, timeout=ANSWER_TIMEOUT_S))
        except KafkaException as exc:
            raise ViewUnavailable(f"offsets could not be set back to write a view again: {exc.args[0].str()}") from exc

    def lag(self, fresh: bool = False) -> int:
        """How many records wait. A partition that is paused is not counted anew unless ``fresh``, which asks Kafka."""
        return sum(self._lag_of(one, fresh) for one in self._consumer.assignment())

    def close(self) -> None:
        """Commits what was dealt with and leaves the group."""
        self._commit_all()
        self._consumer.close()

    def _require_broker(self) -> None:
        """A client that lost all connections would otherwise just find nothing, for as long as it takes."""
        if self._may_be_cut_off:
            try:
                self._consumer.list_topics(timeout=CUT_OFF_TIMEOUT_S)
            except KafkaException as exc:
                raise kafka_error(exc.args[0], self._settings, "transcripts were read for delivery") from exc
            self._may_be_cut_off = False

    def _note_error(self, error: KafkaError) -> None:
        self._may_be_cut_off |= error.code() == KafkaError._ALL_BROKERS_DOWN

    def _go_to_start(self, one: TopicPartition) -> int:
        """``one`` holds what the group committed, which is below 0 where it committed nothing."""
        first, _ = self._consumer.get_watermark_offsets(one, timeout=ANSWER_TIMEOUT_S)
        place = TopicPartition(one.topic, one.partition, first)
        self._consumer.commit(offsets=[place], asynchronous=False)
        self._consumer.seek(place)
        self._reached[one.topic, one.partition] = first
        self._polled.pop((one.topic, one.partition), None)
        self._uncommitted.discard((one.topic, one.partition))
        return max(0, one.offset - first)

    def _resume(self) -> None:
        if self._is_paused:
            self._consumer.resume(self._consumer.assignment())
            self._is_paused = False

    def _hold_next(self, wait_s: float) -> bool:
        """Whether a message came within the time."""
        message = self._consumer.poll(wait_s)
        if message is None:
            return False
        self._held.append(message)
        if message.error() is None:
            self._polled[_partition(message)] = (message.offset() or 0) + 1
        return True

    def _record(self, message: Message) -> list[Record]:
        if (error := message.error()) is not None:
            if error.retriable():
                return []
            raise kafka_error(error, self._settings, "transcripts were read for delivery")
        topic, number = _partition(message)
        return [Record(SourcePosition(topic, number, message.offset() or 0), message.value() or b"")]

    def _commit_when_due(self) -> None:
        now_s = time.monotonic()
        if self._uncommitted and now_s - self._committed_at_s >= COMMIT_EVERY_S:
            self._committed_at_s = now_s
            self._commit(self._places(self._uncommitted), wait=False)
            self._uncommitted.clear()

    def _commit_all(self) -> None:
        """All that was reached, also what is on its way already: the answers to those are not waited for."""
        self._commit(self._places(self._reached))
        self._uncommitted.clear()

    def _commit(self, places: list[TopicPartition], wait: bool = True) -> None:
        """A commit that fails costs repeats, no loss: the records come again to whoever reads next."""
        try:
            if places:
                commit: Callable[..., object] = self._consumer.commit
                commit(offsets=places, asynchronous=not wait)
        except KafkaException as exc:
            _note_commit(exc.args[0], places)

    def _places(self, partitions: Collection[Partition]) -> list[TopicPartition]:
        return [TopicPartition(topic, number, self._reached[topic, number]) for topic, number in partitions]

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = {(one.topic, one.partition) for one in partitions}
        self._commit(self._places(names & self._reached.keys()))
        self._lost(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        names = {(one.topic, one.partition) for one in partitions}
        self._dropped |= names
        self._uncommitted -= names
        for name in names:
            self._reached.pop(name, None)
            self._polled.pop(name, None)
        self._held = [message for message in self._held if _partition(message) not in names]

    def _lag_of(self, one: TopicPartition, fresh: bool) -> int:
        try:
            bounds = self._consumer.get_watermark_offsets(one, timeout=ANSWER_TIMEOUT_S, cached=not fresh)
        except KafkaException:
            return 0
        name = (one.topic, one.partition)
        reached = self._reached.get(name)
        if reached is None or reached == self._polled.get(name):
            # Nothing is at hand. The marks that end transactions take offsets, too, and nobody is given those.
            reached = self._consumer.position([one])[0].offset
        return max(0, bounds[1] - reached) if bounds is not None and bounds[1] >= 0 and reached >= 0 else 0


def _partition(message: Message) -> Partition:
    return message.topic() or "", message.partition() or 0


def _note_commit(error: KafkaError | None, partitions: list[TopicPartition]) -> None:
    if error is not None:
        log.warning("offsets were not committed, so some records will be delivered again: %s", error.str())


def _require_topics(settings: KafkaSettings, topics: Sequence[str]) -> None:
    known = cluster_metadata(settings).topics
    if missing := [topic for topic in topics if topic not in known]:
        raise SetupError(
            f"no topic {' or '.join(missing)} at {settings.bootstrap_servers}: create the topics with `voxflow topics`"
        )
