"""Transcripts and usage as the delivery meets them, and a view and a consumer group that live in memory."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.adapters.kafka.group import Partition, Record
from pipeline.codecs.avro import decode_transcript, decode_usage, encode_transcript, encode_usage
from pipeline.delivery.batch import partition_of
from pipeline.delivery.reading import StoredSegment, in_order
from pipeline.delivery.view import Delivery, Refused
from pipeline.domain.types import DeadLetter, SourcePosition, StageTimes, Transcript, TranscriptKind
from pipeline.domain.usage import MINUTE_MS, Usage, UsageTotals, usage_of
from pipeline.errors import BrokerUnreachable, ViewEmptied, ViewUnavailable
from tests.client import helpers as transcripts

FINALS = "finals"
USAGE = "usage"
NOW_MS = 1_700_000_000_000
USED_FROM_MS = 1_699_999_980_000
"""The start of a minute."""

AWKWARD_ID = 'it\'s "quoted":{all}\nof it\r\n\\ \x00 * ? [a] :finals'

_offsets = itertools.count()


def times(at_ms: int) -> StageTimes:
    """All of a transcript's stages at one moment, milliseconds after NOW_MS."""
    moment = NOW_MS + at_ms
    return StageTimes(moment, moment, moment, moment, moment, moment, moment)


def final(segment: int = 0, **fields: Any) -> Transcript:
    """The final of a segment of a second's length, emitted at its end."""
    return transcripts.final(**_segment(segment) | fields)


def partial(segment: int = 0, revision: int = 0, **fields: Any) -> Transcript:
    given = _segment(segment) | {"revision": revision, "text": f"partial {segment}.{revision}"}
    return transcripts.partial(**given | fields)


def session_end(at_ms: int = 10_000, segments: int = 1, **fields: Any) -> Transcript:
    given = {"kind": TranscriptKind.SESSION_END, "segment": segments, "text": "", "end_ms": at_ms}
    return transcripts.final(**given | {"times": StageTimes(closed_at_ms=NOW_MS + at_ms)} | fields)


def delivery(transcript: Transcript, offset: int | None = None, topic: str = FINALS) -> Delivery[Transcript]:
    """The transcript as read from a topic of one partition; offsets rise by themselves."""
    place = SourcePosition(topic, 0, next(_offsets) if offset is None else offset)
    return Delivery(transcript, place, encode_transcript(transcript))


def deliveries(*given: Transcript) -> list[Delivery[Transcript]]:
    return [delivery(one) for one in given]


def records(*values: Transcript | bytes, partition: int = 0) -> list[Record]:
    """A partition of the finals topic that holds these, from offset 0."""
    raw = [value if isinstance(value, bytes) else encode_transcript(value) for value in values]
    return [Record(SourcePosition(FINALS, partition, offset), value) for offset, value in enumerate(raw)]


def used(minute: int = 0, revision: int = 1, tenant: str = "t", audio_ms: int | None = None) -> Usage:
    """A tenant's usage of a minute; a second of audio each report."""
    totals = UsageTotals(revision, 1, revision * 1000 if audio_ms is None else audio_ms)
    return usage_of(tenant, USED_FROM_MS + minute * MINUTE_MS, totals, NOW_MS)


def usage_records(*values: Usage | bytes) -> list[Record]:
    """The usage topic, which has one partition, holding these from offset 0."""
    raw = [value if isinstance(value, bytes) else encode_usage(value) for value in values]
    return [Record(SourcePosition(USAGE, 0, offset), value) for offset, value in enumerate(raw)]


def usage_deliveries(*values: Usage) -> list[Delivery[Usage]]:
    return [Delivery(decode_usage(one.value), one.source, one.value) for one in usage_records(*values)]


def _segment(segment: int) -> dict[str, Any]:
    end_ms = (segment + 1) * 1000
    span = {"start_ms": segment * 1000, "end_ms": end_ms, "times": times(end_ms)}
    return {"segment": segment, "revision": 5, "text": f"text {segment}"} | span


@dataclass
class MemoryView:
    """A view that keeps finals in a dictionary, and can be told to be away, emptied, or to refuse a text."""

    name: str = "memory"
    decode = staticmethod(decode_transcript)
    stored: dict[str, dict[tuple[int, int], Transcript]] = field(default_factory=lambda: defaultdict(dict))
    unavailable: int = 0
    refuses: Callable[[Transcript], bool] = lambda transcript: False
    batches: list[int] = field(default_factory=list)
    emptied: set[Partition] = field(default_factory=set)
    is_closed: bool = False

    def write(self, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
        if self.unavailable:
            self.unavailable -= 1
            raise ViewUnavailable("the memory is away")
        self.batches.append(len(batch))
        refused = [Refused(one, "not wanted") for one in batch if self.refuses(one.record)]
        for one in batch:
            self._keep(one.record)
        if lost := frozenset(self.emptied & {partition_of(one.source) for one in batch}):
            self.emptied -= lost
            self.stored.clear()
            raise ViewEmptied("the memory holds nothing", lost)
        return refused

    def close(self) -> None:
        self.is_closed = True

    def finals(self, session_id: str) -> tuple[StoredSegment, ...]:
        return in_order(map(_stored, self.stored[session_id].values()))

    def texts(self, session_id: str = "s") -> list[str]:
        return [one.text for one in self.finals(session_id)]

    def _keep(self, transcript: Transcript) -> None:
        segments, place = self.stored[transcript.session_id], (transcript.channel, transcript.segment)
        newer = place not in segments or transcript.revision > segments[place].revision
        if transcript.is_final and newer and not self.refuses(transcript):
            segments[place] = transcript


@dataclass
class MemoryUsage:
    """A view of usage that keeps minutes in a dictionary, and can be told to refuse a tenant."""

    name: str = "usage"
    decode = staticmethod(decode_usage)
    stored: dict[tuple[str, int], Usage] = field(default_factory=dict)
    refuses: str | None = None

    def write(self, batch: Sequence[Delivery[Usage]]) -> list[Refused[Usage]]:
        refused = [Refused(one, "not wanted") for one in batch if one.record.tenant == self.refuses]
        for one in (delivery.record for delivery in batch if delivery.record.tenant != self.refuses):
            kept = self.stored.setdefault((one.tenant, one.window_start_ms), one)
            if one.revision >= kept.revision:
                self.stored[one.tenant, one.window_start_ms] = one
        return refused

    def close(self) -> None: ...


@dataclass
class MemoryGroup:
    """The only member of a group: reads its partitions from where it committed, as ``GroupReader`` does."""

    log: dict[Partition, list[Record]]
    committed: dict[Partition, int] = field(default_factory=dict)
    pauses_s: list[float] = field(default_factory=list)
    gone: set[Partition] = field(default_factory=set)
    cut_off: int = 0
    on_idle: Callable[[], None] = lambda: None
    is_closed: bool = False
    _position: dict[Partition, int] = field(default_factory=dict)

    @classmethod
    def of(cls, *partitions: Sequence[Record]) -> "MemoryGroup":
        return cls({partition_of(records[0].source): list(records) for records in partitions})

    def take(self, limit: int, wait_s: float) -> list[Record]:
        if self.cut_off:
            self.cut_off -= 1
            raise BrokerUnreachable("the group is cut off")
        waiting = [record for name, records in self.log.items() for record in records[self._position.get(name, 0) :]]
        for record in waiting[:limit]:
            self._position[partition_of(record.source)] = record.source.offset + 1
        return waiting[:limit]

    def idle(self, wait_s: float) -> None:
        self.pauses_s.append(wait_s)
        self.on_idle()

    def done(self, positions: Sequence[SourcePosition]) -> None:
        for position in positions:
            name = partition_of(position)
            assert name in self.log, "a partition of another member was committed"
            self.committed[name] = max(position.offset + 1, self.committed.get(name, 0))

    def dropped(self) -> frozenset[Partition]:
        dropped = frozenset(self.gone)
        self.gone.clear()
        return dropped

    def lose(self, partition: Partition) -> None:
        """Another member takes the partition over."""
        del self.log[partition]
        self.gone.add(partition)

    def rewind(self, partitions: Collection[Partition]) -> int:
        again = 0
        for name in set(partitions) & self.log.keys():
            again += self.committed.get(name, 0)
            self._position[name] = self.committed[name] = 0
        return again

    def lag(self, fresh: bool = False) -> int:
        return sum(len(records) - self.committed.get(name, 0) for name, records in self.log.items())

    def close(self) -> None:
        self.is_closed = True


@dataclass
class MemoryLetters:
    """A dead-letter topic that can be told to be away."""

    sent: list[DeadLetter] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def send(self, letters: Sequence[DeadLetter]) -> None:
        if letters and self.failures:
            raise self.failures.pop()
        self.sent += letters


def _stored(one: Transcript) -> StoredSegment:
    names = set(StoredSegment.__slots__) - {"is_final"}
    return StoredSegment(**{name: getattr(one, name) for name in names})
