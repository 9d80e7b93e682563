"""Writing a view anew from the topic of finals, while live delivery goes on and readers notice nothing.

The index is built beside the old one and takes its place all at once. Why nothing is missing afterwards:

1. the topic is read to its end, into new indices of the same months; then what came meanwhile, until little is left;
2. what the old indices hold and the topic no longer does is taken over;
3. the aliases are switched, in one step: from here on live delivery writes to the new indices;
4. what came between the last reading and the switch is read once more: live delivery may have written it to the old.

Every document has the same id and its revision as its version, so it does not matter who writes it how often.
The cache is written again in place: it holds sessions of the last hours only, and its rules bear any repetition.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol

from pipeline.adapters.elasticsearch import answering, connect
from pipeline.adapters.kafka.scan import Span, Spans, StoredRecord, from_time, kept, stored_records
from pipeline.codecs.avro import decode_transcript
from pipeline.config import ElasticsearchSettings, KafkaSettings
from pipeline.delivery.batch import Backoff
from pipeline.delivery.bulk import Fate, Put, refusals, send
from pipeline.delivery.documents import Document, document, identity, month_of
from pipeline.delivery.index import IndexView
from pipeline.delivery.indices import Index, Indices
from pipeline.delivery.view import Delivery, Refused
from pipeline.domain.types import SourcePosition, Transcript
from pipeline.errors import RejectedRecord, ViewEmptied, ViewUnavailable

log = logging.getLogger(__name__)

BATCH: Final = 500
PAGE: Final = 100
"""Documents of the old index that are read at once; one may have a megabyte."""

LITTLE: Final = 1_000
"""Records that may be left at the switch: they are missing from searches for the moment that it takes to read them."""

CATCH_UPS: Final = 10
KEEP_OPEN: Final = "5m"
ATTEMPTS: Final = 8
PATIENCE: Final = Backoff(first_s=0.25, longest_s=10.0)

Progress = Callable[[int, int], None]
"""Receives how many offsets are done, and of how many: the latter grows while live delivery goes on."""


class Writable(Protocol):
    """The part of a view that is needed here."""

    def write(self, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]: ...


@dataclass(slots=True)
class Report:
    """What a rebuild did: finals and ends of sessions read, records passed over, documents taken over from before."""

    read: int = 0
    refused: int = 0
    carried: int = 0
    indices: list[str] = field(default_factory=list)


def rebuild_in_place(kafka: KafkaSettings, view: Writable, since_ms: int | None, progress: Progress) -> Report:
    """Writes what the topic holds to a view that bears it. Raises ViewUnavailable, BrokerUnreachable, SetupError."""
    reading = Reading(kafka, since_ms, progress)
    reading.catch_up(view)
    return reading.report


def rebuild_index(
    kafka: KafkaSettings, settings: ElasticsearchSettings, since_ms: int | None, progress: Progress
) -> Report:
    """Builds the index anew and puts it in place. Raises ViewUnavailable, BrokerUnreachable and SetupError.

    After an error before the switch everything is as it was.
    """
    reading = Reading(kafka, since_ms, progress)
    rebuild = IndexRebuild(settings)
    try:
        rebuild.fill(reading)
        old = rebuild.switch()
    except BaseException:
        rebuild.discard()
        raise
    live = IndexView(settings)
    reading.catch_up(live)
    live.close()
    rebuild.delete(old)
    reading.report.carried = rebuild.carried
    reading.report.indices = sorted(index.name for index in rebuild.made.values())
    return reading.report


class Reading:
    """The topic of finals, read bit by bit up to where it ends at each moment."""

    def __init__(self, kafka: KafkaSettings, since_ms: int | None, progress: Progress) -> None:
        self.report = Report()
        self._kafka = kafka
        self._topic = kafka.topics.finals
        self._progress = progress
        spans = kept(kafka, self._topic)
        if since_ms is not None:
            spans = from_time(kafka, self._topic, spans, since_ms)
        self._first = {number: span.first for number, span in spans.items()}
        self._reached = dict(self._first)

    def catch_up(self, view: Writable) -> int:
        """Writes what the topic holds by now and was not read yet; how many offsets that were."""
        spans = self._unread()
        count = sum(span.end - span.first for span in spans.values())
        for batch in batches(stored_records(self._kafka, self._topic, spans)):
            deliveries = list(self._deliveries(batch))
            self.report.read += len(deliveries)
            self.report.refused += len(patiently(view, deliveries))
            self._reached |= {record.partition: record.offset + 1 for record in batch}
            self._show(spans)
        self._reached |= {number: span.end for number, span in spans.items()}
        self._show(spans)
        return count

    def _unread(self) -> Spans:
        ends = {number: span.end for number, span in kept(self._kafka, self._topic).items()}
        for number in ends.keys() - self._reached.keys():
            self._first[number] = self._reached[number] = 0
        return {number: Span(self._reached[number], max(end, self._reached[number])) for number, end in ends.items()}

    def _deliveries(self, records: Sequence[StoredRecord]) -> Iterator[Delivery[Transcript]]:
        for record in records:
            source = SourcePosition(self._topic, record.partition, record.offset)
            try:
                yield Delivery(decode_transcript(record.value), source, record.value)
            except RejectedRecord as exc:
                self.report.refused += 1
                log.warning("%s[%s]@%s passed over: %s", self._topic, record.partition, record.offset, exc)

    def _show(self, spans: Spans) -> None:
        done = sum(self._reached[number] - self._first[number] for number in spans)
        self._progress(done, sum(span.end - self._first[number] for number, span in spans.items()))


class IndexRebuild:
    """New indices that nobody asks yet, the writer of them, and their way to the place of the old ones."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self.made: dict[str, Index] = {}
        self.carried = 0
        self._settings = settings
        self._client = connect(settings)
        self._indices = Indices(self._client, settings)
        self._label = f"r{time.time_ns() // 1_000_000}"

    def fill(self, reading: Reading) -> None:
        """Everything from the topic, then what only the old indices hold, then what came meanwhile."""
        reading.catch_up(self)
        with answering(self._settings):
            for old in self._replaced():
                self._take_over(old)
        for _ in range(CATCH_UPS):
            if reading.catch_up(self) <= LITTLE:
                return

    def write(self, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
        """As a view does, into the new indices."""
        finals = [delivery for delivery in batch if delivery.record.is_final]
        with answering(self._settings):
            outcomes = send(self._client, [self._put(one) for one in finals])
        return refusals(finals, outcomes, self._settings)

    def switch(self) -> list[Index]:
        """Puts the new indices in the place of the old ones; those. Both exist, or live delivery could make another."""
        with answering(self._settings):
            for month in self.made.keys() - {index.month for index in self._indices.published()}:
                self._indices.create_live(month)
            if self.made:
                self._client.indices.refresh(index=[index.name for index in self.made.values()])
            old = self._replaced()
            self._indices.switch(list(self.made.values()), old)
        return old

    def delete(self, old: Sequence[Index]) -> None:
        with answering(self._settings):
            self._indices.delete(old)
        self._client.close()

    def discard(self) -> None:
        """Takes the new indices away again, as far as Elasticsearch still answers."""
        with suppress(ViewUnavailable):
            self.delete(list(self.made.values()))

    def _put(self, delivery: Delivery[Transcript]) -> Put:
        made = document(delivery)
        return Put.of(self._name(month_of(delivery.record)), identity(made), made, alias=False)

    def _name(self, month: str) -> str:
        """The new index of a month, made when it is first needed."""
        if month not in self.made:
            name = self._indices.name(month, self._label)
            self._indices.create(name, {})
            self.made[month] = self._indices.index(name)
        return self.made[month].name

    def _replaced(self) -> list[Index]:
        return [index for index in self._indices.published() if index.month in self.made]

    def _take_over(self, old: Index) -> None:
        """Copies the documents that the new index does not have, or has in an older revision."""
        name = self.made[old.month].name
        self._client.indices.refresh(index=old.name)  # what was written in the last second would not be found
        for documents in self._pages(old):
            puts = [Put.of(name, identity(one), one, only_newer=True, alias=False) for one in documents]
            outcomes = send(self._client, puts)
            self.carried += sum(one.is_new for one in outcomes)
            for one in outcomes:
                if one.fate is not Fate.STORED:
                    raise ViewUnavailable(f"{old.name} cannot be taken over into {name}: {one.reason}")

    def _pages(self, index: Index) -> Iterator[list[Document]]:
        place = self._client.open_point_in_time(index=index.name, keep_alive=KEEP_OPEN)["id"]
        body: dict[str, Any] = {
            "pit": {"id": place, "keep_alive": KEEP_OPEN},
            "sort": ["_shard_doc"],
            "size": PAGE,
            "track_total_hits": False,
        }
        while hits := self._client.search(body=body)["hits"]["hits"]:
            yield [hit["_source"] for hit in hits]
            body["search_after"] = hits[-1]["sort"]
        self._client.close_point_in_time(id=place)


def patiently(view: Writable, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
    """Writes the batch, again after a pause where the view is busy or comes back soon. Raises ViewUnavailable.

    A view that was emptied is just what this is for: it has said so, and takes the batch at the next attempt.
    """
    for failures in range(1, ATTEMPTS):
        try:
            return view.write(batch)
        except ViewEmptied:
            continue
        except ViewUnavailable as exc:
            if failures == 1:
                log.warning("the rebuild waits: %s", exc)
            time.sleep(PATIENCE.pause_s(failures, chance=0.0))
    return view.write(batch)


def batches(records: Iterator[StoredRecord]) -> Iterator[list[StoredRecord]]:
    while batch := list(islice(records, BATCH)):
        yield batch
