"""Transcripts from the partial and final topics, each once, without joining a consumer group.

A job that restarts publishes some transcripts again, by design (at least once, deterministic ids). Readers drop the
repeats by id; the ids seen last are remembered, and repeats come soon after their originals.
"""

import logging
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from pipeline.adapters.kafka.client import ANSWER_TIMEOUT_S, cluster_metadata, consumer_config, kafka_error
from pipeline.codecs.avro import decode_transcript
from pipeline.config import KafkaSettings
from pipeline.domain.types import Transcript
from pipeline.errors import SetupError, UndecodableRecord

log = logging.getLogger(__name__)

REMEMBERED_IDS: Final = 200_000
POLL_S: Final = 0.2

TranscriptId = tuple[str, int, int, int, str]
"""Session, channel, segment, revision, kind: the same id always carries the same text."""

Offsets = Mapping[tuple[str, int], int]
"""(topic, partition) to the offset of the first record wanted."""


@dataclass(frozen=True, slots=True)
class End:
    """Start after the last record that is there now."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Start at the first record that is still kept."""


Start = End | Beginning | Offsets


@dataclass(slots=True)
class RecentIds:
    """The ids seen last, as many as ``limit``."""

    limit: int = REMEMBERED_IDS
    _seen: OrderedDict[TranscriptId, None] = field(default_factory=OrderedDict)

    def is_new(self, transcript: Transcript) -> bool:
        """Whether the transcript's id is seen for the first time; it counts as seen from now on."""
        identity = transcript_id(transcript)
        if identity in self._seen:
            return False
        self._seen[identity] = None
        if len(self._seen) > self.limit:
            self._seen.popitem(last=False)
        return True


def transcript_id(transcript: Transcript) -> TranscriptId:
    return (
        transcript.session_id,
        transcript.channel,
        transcript.segment,
        transcript.revision,
        transcript.kind.value,
    )


class TranscriptReader:
    """Reads all partitions of the transcript topics; where to start is settled before the constructor returns.

    So whatever is published after a reader was made is read by it. ``sessions`` keeps only those sessions;
    ``partials=False`` leaves the partial topic alone. Raises BrokerUnreachable, and SetupError if a topic is missing.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        start: Start = End(),
        sessions: Collection[str] | None = None,
        partials: bool = True,
    ) -> None:
        self._settings = settings
        self._sessions = None if sessions is None else frozenset(sessions)
        self._recent = RecentIds()
        topics = (settings.topics.partials, settings.topics.finals) if partials else (settings.topics.finals,)
        everything = _partitions(settings, topics)
        self._consumer = Consumer(consumer_config(settings, "voxflow-reader"))
        try:
            self._consumer.assign([self._positioned(partition, start) for partition in everything])
        except KafkaException as exc:
            self.close()
            raise kafka_error(exc.args[0], settings, "the transcript topics were opened") from exc

    def poll(self, timeout_s: float = POLL_S) -> list[Transcript]:
        """What has arrived, in order of arrival; waits up to ``timeout_s`` for the first, never for a second."""
        arrived: list[Transcript] = []
        message = self._consumer.poll(timeout_s)
        while message is not None:
            arrived += self._wanted(message)
            message = self._consumer.poll(0)
        return arrived

    def __iter__(self) -> Iterator[Transcript]:
        """Transcripts for ever, as they arrive."""
        while True:
            yield from self.poll()

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _positioned(self, partition: TopicPartition, start: Start) -> TopicPartition:
        first, end = self._consumer.get_watermark_offsets(partition, timeout=ANSWER_TIMEOUT_S)
        match start:
            case End():
                offset = end
            case Beginning():
                offset = first
            case offsets:
                offset = offsets.get((partition.topic, partition.partition), end)
        return TopicPartition(partition.topic, partition.partition, offset)

    def _wanted(self, message: Message) -> list[Transcript]:
        """The message's transcript, or nothing where it is broken, another session's or a repeat."""
        if (error := message.error()) is not None:
            if error.retriable():
                return []
            raise kafka_error(error, self._settings, "transcripts were read")
        transcript = _decoded(message)
        if transcript is None or (self._sessions is not None and transcript.session_id not in self._sessions):
            return []
        return [transcript] if self._recent.is_new(transcript) else []


def _decoded(message: Message) -> Transcript | None:
    try:
        return decode_transcript(message.value() or b"")
    except UndecodableRecord as exc:
        log.warning("%s[%s]@%s skipped: %s", message.topic(), message.partition(), message.offset(), exc)
        return None


def _partitions(settings: KafkaSettings, topics: Collection[str]) -> list[TopicPartition]:
    known = cluster_metadata(settings).topics
    if missing := [topic for topic in topics if topic not in known]:
        raise SetupError(
            f"no topic {' or '.join(missing)} at {settings.bootstrap_servers}: create the topics with `voxflow topics`"
        )
    return [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
