"""Usage in Elasticsearch: one document a minute of a tenant, in an index of its own.

They are written by an alias: an index that is deleted is then missing until it is made again as it should be, whereas
Elasticsearch would make an index of its own for a plain name.
"""

from collections.abc import Sequence
from typing import Any, Final

from pipeline.adapters.elasticsearch import answering, connect
from pipeline.adapters.kafka.group import Partition
from pipeline.codecs.avro import decode_usage
from pipeline.config import ElasticsearchSettings
from pipeline.delivery.batch import not_from_start, partition_of
from pipeline.delivery.bulk import Put, refusals, send
from pipeline.delivery.documents import Document, document_id
from pipeline.delivery.indices import BASICS, created, uuids
from pipeline.delivery.view import Delivery, Refused
from pipeline.domain.usage import Usage
from pipeline.errors import ViewEmptied

_DATE: Final = {"type": "date", "format": "epoch_millis"}
_COUNTS: Final = ("revision", "sessions", "audio_ms", "speech_ms", "gap_ms", "finals", "dead_letters", "waits")
_WAITS: Final = ("wait_p50_ms", "wait_p95_ms")

MAPPINGS: Final[dict[str, Any]] = {
    "dynamic": False,
    "properties": {
        "tenant": {"type": "keyword"},
        "window_start": _DATE,
        "window_end": _DATE,
        **{name: {"type": "long"} for name in (*_COUNTS, *_WAITS)},
        "emitted_at": _DATE,
        "record": {"type": "object", "enabled": False},
    },
}


class UsageView:
    """The ``View`` of usage in Elasticsearch. One thread writes it; any number of processes may."""

    name = "usage"
    decode = staticmethod(decode_usage)

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._client = connect(settings)
        self._alias = write_alias(settings)
        self._uuid: str | None = None
        self._written: set[Partition] = set()
        self._is_incomplete = False

    def write(self, batch: Sequence[Delivery[Usage]]) -> list[Refused[Usage]]:
        """As ``View`` says. Raises ViewEmptied where the index is gone, or was never there."""
        with answering(self._settings):
            self._look()
            if batch:
                self._is_incomplete |= self._uuid is None
                self._doubt(batch)
                self._require()
            outcomes = send(self._client, [self._put(one) for one in batch])
        return refusals(batch, outcomes, self._settings)

    def close(self) -> None:
        self._client.close()

    def _put(self, delivery: Delivery[Usage]) -> Put:
        one = delivery.record
        return Put.of(self._alias, document_id(one.tenant, one.window_start_ms), usage_document(delivery))

    def _look(self) -> None:
        """Sees which index there is. Raises ViewEmptied if it is not that of the last look."""
        before, self._uuid = self._uuid, self._found()
        if before is None or self._uuid == before:
            return
        self._is_incomplete = True
        if self._written:
            lost = f"Elasticsearch at {self._settings.address} lost its index {self._settings.usage_index}"
            raise ViewEmptied(lost, frozenset(self._written))

    def _doubt(self, batch: Sequence[Delivery[Usage]]) -> None:
        """Raises ViewEmptied, once, for partitions of which an earlier process may have written what is lost by now.

        This comes before the index is made: after a crash in between it is missing still, and so noticed again.
        """
        new = [one.source for one in batch if partition_of(one.source) not in self._written]
        self._written |= set(map(partition_of, new))
        doubtful = not_from_start(new)
        if doubtful and self._is_incomplete:
            raise ViewEmptied(f"Elasticsearch at {self._settings.address} held no usage", doubtful)

    def _require(self) -> None:
        """Makes the index where it is missing, unless another process was quicker."""
        if self._uuid is None:
            name = self._settings.usage_index
            if not created(self._client, name, {self._alias: {}}, MAPPINGS, BASICS):
                self._client.indices.put_alias(index=name, name=self._alias)
            self._uuid = self._found()

    def _found(self) -> str | None:
        return uuids(self._client, self._alias).get(self._settings.usage_index)


def write_alias(settings: ElasticsearchSettings) -> str:
    """What usage is written to; read the index itself."""
    return f"{settings.usage_index}-write"


def usage_document(delivery: Delivery[Usage]) -> Document:
    """The document of a tenant's minute."""
    one, source = delivery.record, delivery.source
    return {
        "tenant": one.tenant,
        "window_start": one.window_start_ms,
        "window_end": one.window_end_ms,
        **{name: getattr(one, name) for name in (*_COUNTS, *_WAITS)},
        "emitted_at": one.emitted_at_ms,
        "record": {"topic": source.topic, "partition": source.partition, "offset": source.offset},
    }
