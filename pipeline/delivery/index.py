"""The search index: every final text in Elasticsearch, one document a segment."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pipeline.adapters.elasticsearch import Client, answering, connect
from pipeline.adapters.kafka.group import Partition
from pipeline.codecs.avro import decode_transcript
from pipeline.config import ElasticsearchSettings
from pipeline.delivery.batch import not_from_start, partition_of
from pipeline.delivery.bulk import Fate, Put, refusals, send
from pipeline.delivery.documents import document, identity, month_of
from pipeline.delivery.indices import LIVE, Index, Indices
from pipeline.delivery.view import Delivery, Refused
from pipeline.domain.types import Transcript
from pipeline.errors import ViewEmptied

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
"""How often the indices are looked at: is one lost that was written to?"""

EXPIRE_EVERY_S: Final = 3_600.0
ATTEMPTS: Final = 3
"""How often an index that is not there is made before the view counts as unavailable."""


def index_view(environ: Mapping[str, str] = os.environ) -> "IndexView":
    """The view of the settings in the environment; Elasticsearch need not be there yet. Raises SetupError."""
    return IndexView(ElasticsearchSettings.from_environ(environ))


class IndexView:
    """The ``View`` in Elasticsearch. One thread writes it; any number of processes may.

    It takes finals and passes over everything else. Once an hour it deletes the indices that are older than they are
    kept. ``now_s`` is the wall clock.
    """

    name = "elasticsearch"
    decode = staticmethod(decode_transcript)

    def __init__(self, settings: ElasticsearchSettings, now_s: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._client: Client = connect(settings)
        self._indices = Indices(self._client, settings)
        self._now_s = now_s
        self._seen: dict[str, Index] = {}
        self._written: set[Partition] = set()
        self._is_incomplete = False
        self._looked_at_s = 0.0
        self._expired_at_s = 0.0

    def write(self, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
        """As ``View`` says. Raises ViewEmptied where an index is gone, or all of them are."""
        finals = [delivery for delivery in batch if delivery.record.is_final]
        with answering(self._settings):
            if self._is_due(self._looked_at_s, LOOK_EVERY_S) or not finals:
                self._look()
            self._require({month_of(delivery.record) for delivery in finals} - self._seen.keys())
            self._doubt(finals)
            refused = self._stored(finals)
            self._expire()
        return refused

    def close(self) -> None:
        self._client.close()

    def _stored(self, finals: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
        """Writes the finals, making the months' indices that are missing. Raises ViewUnavailable."""
        outcomes = send(self._client, list(map(self._put, finals)))
        for _ in range(ATTEMPTS):
            missing = [number for number, one in enumerate(outcomes) if one.fate is Fate.NO_INDEX]
            if not missing:
                break
            self._require({month_of(finals[number].record) for number in missing})
            for number, again in zip(missing, send(self._client, [self._put(finals[n]) for n in missing]), strict=True):
                outcomes[number] = again
        return refusals(finals, outcomes, self._settings)

    def _put(self, delivery: Delivery[Transcript]) -> Put:
        made = document(delivery)
        return Put.of(self._indices.write_alias(month_of(delivery.record)), identity(made), made)

    def _require(self, months: set[str]) -> None:
        """Makes the indices of these months that are not there. Raises ViewEmptied where one was there before."""
        if not months:
            return
        self._look()
        self._is_incomplete |= not self._seen
        for month in months - self._seen.keys():
            self._indices.create_live(month)
            log.info("made the index of %s", month)
        self._seen = {index.month: index for index in self._indices.published()}

    def _doubt(self, finals: Sequence[Delivery[Transcript]]) -> None:
        """Raises ViewEmptied for partitions of which an earlier process may have written what is lost by now.

        They are asked for once: what comes first of a partition is then its first record.
        """
        new = [one.source for one in finals if partition_of(one.source) not in self._written]
        self._written |= set(map(partition_of, new))
        doubtful = not_from_start(new)
        if doubtful and self._is_incomplete:
            raise ViewEmptied(f"Elasticsearch at {self._settings.address} held no index", doubtful)

    def _look(self) -> None:
        """Sees which indices there are. Raises ViewEmptied if one was lost since the last look.

        A rebuilt index takes an older one's place with all that was in it; one of the same name does not.
        """
        current = {index.month: index for index in self._indices.published()}
        now_ms = int(self._now_s() * 1000)
        lost = {month for month, index in self._seen.items() if _is_lost(index, current.get(month))}
        lost = {month for month in lost if not self._indices.is_expired(month, now_ms)}
        self._seen, self._looked_at_s = current, self._now_s()
        self._is_incomplete |= bool(lost)
        if lost and self._written:
            months, written = ", ".join(sorted(lost)), frozenset(self._written)
            raise ViewEmptied(f"Elasticsearch at {self._settings.address} lost its index of {months}", written)

    def _expire(self) -> None:
        if self._is_due(self._expired_at_s, EXPIRE_EVERY_S):
            self._expired_at_s = self._now_s()
            for name in self._indices.delete_expired(int(self._now_s() * 1000)):
                log.warning("deleted %s: kept for %s days after its month", name, self._settings.retention_days)

    def _is_due(self, last_s: float, every_s: float) -> bool:
        """Also when the clock was set back."""
        return abs(self._now_s() - last_s) >= every_s


def _is_lost(before: Index, now: Index | None) -> bool:
    return now is None or (now.label == LIVE and now.uuid != before.uuid)
