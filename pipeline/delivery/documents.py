"""A final transcript as a document of the search index, and back. Pure: everything follows from the record itself.

The same record always becomes the same document, of the same id, in the index of the same month. So writing it again,
by whoever and after whatever crash, never doubles it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.delivery.reading import StoredSegment
from pipeline.delivery.view import Delivery
from pipeline.domain.types import Transcript, Word

UNDATED: Final = "undated"
"""Instead of a month, where the producer's clock cannot have been right."""

DAY_MS: Final = 86_400_000
LATEST_AHEAD_MS: Final = DAY_MS
OLDEST_MS: Final = 366 * DAY_MS
"""A recording may be published long after it was made; a clock that is wrong by more would litter the cluster with
indices, one for each month it names."""

PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")

WITHOUT_STOP_WORDS: Final = "voxflow_without_stop_words"

ANALYSIS: Final = {"analyzer": {WITHOUT_STOP_WORDS: {"type": "standard", "stopwords": "_english_"}}}
"""Words like "of" count where they are quoted. Elsewhere they must not, since stems are kept without them."""

MAPPINGS: Final[dict[str, Any]] = {
    "dynamic": False,
    "properties": {
        "session_id": {"type": "keyword"},
        "tenant": {"type": "keyword"},
        "channel": {"type": "integer"},
        "segment": {"type": "integer"},
        "revision": {"type": "integer"},
        "text": {
            "type": "text",
            "analyzer": "english",
            "fields": {
                "exact": {
                    "type": "text",
                    "analyzer": "standard",
                    "search_analyzer": WITHOUT_STOP_WORDS,
                    "search_quote_analyzer": "standard",
                }
            },
        },
        "start_ms": {"type": "long"},
        "end_ms": {"type": "long"},
        "captured_at": {"type": "date", "format": "epoch_millis"},
        "emitted_at": {"type": "date", "format": "epoch_millis"},
        "language": {"type": "keyword"},
        "model": {"type": "keyword"},
        "model_version": {"type": "keyword"},
        "degraded": {"type": "boolean"},
        "gap_ms": {"type": "long"},
        "error": {"type": "text"},
        "words": {"type": "object", "enabled": False},
        "record": {"type": "object", "enabled": False},
    },
}
"""Fields unknown here are kept, but not indexed: an older index must take the records of a newer Voxflow."""

Document = Mapping[str, Any]


def document_id(name: str, *numbers: int) -> str:
    """Readable where the name, of a session or a tenant, is plain and short; else a hash: an id may have 512 bytes."""
    if PLAIN_ID.fullmatch(name):
        return ":".join((name, *map(str, numbers)))
    whole = json.dumps([name, *numbers])
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"


def identity(document: Document) -> str:
    """The id of a final's document."""
    return document_id(document["session_id"], document["channel"], document["segment"])


def month_of(transcript: Transcript) -> str:
    """The month (UTC, as 2026.11) in which the segment was spoken, by the producer's clock where that is plausible."""
    captured_at_ms, received_at_ms = transcript.times.captured_at_ms, transcript.times.received_at_ms
    if not received_at_ms - OLDEST_MS <= captured_at_ms <= received_at_ms + LATEST_AHEAD_MS or captured_at_ms <= 0:
        return UNDATED
    return f"{datetime.fromtimestamp(captured_at_ms / 1000, UTC):%Y.%m}"


def month_ended_ms(month: str) -> int | None:
    """When the month was over, wall clock; None for what is not a month."""
    try:
        begin = datetime.strptime(month, "%Y.%m").replace(tzinfo=UTC)
    except ValueError:
        return None
    after = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return int(after.timestamp() * 1000)


def document(delivery: Delivery[Transcript]) -> Document:
    """The document of a final."""
    one, source = delivery.record, delivery.source
    return {
        "session_id": one.session_id,
        "tenant": one.tenant,
        "channel": one.channel,
        "segment": one.segment,
        "revision": one.revision,
        "text": one.text,
        "start_ms": one.start_ms,
        "end_ms": one.end_ms,
        "captured_at": one.times.captured_at_ms,
        "emitted_at": one.times.emitted_at_ms,
        "language": one.language,
        "model": one.model,
        "model_version": one.model_version,
        "degraded": one.degraded,
        "gap_ms": one.gap_ms,
        "error": one.error,
        "words": [[word.text, word.start_ms, word.end_ms, word.confidence] for word in one.words],
        "record": {"topic": source.topic, "partition": source.partition, "offset": source.offset},
    }


def stored_segment(source: Document) -> StoredSegment:
    """What readers want of a document."""
    return StoredSegment(
        session_id=source["session_id"],
        tenant=source["tenant"],
        channel=source["channel"],
        segment=source["segment"],
        start_ms=source["start_ms"],
        end_ms=source["end_ms"],
        text=source["text"],
        revision=source["revision"],
        stable_chars=len(source["text"]),
        language=source["language"],
        degraded=source["degraded"],
        error=source["error"],
        words=_words(source.get("words") or ()),
    )


def _words(stored: Sequence[Sequence[Any]]) -> tuple[Word, ...]:
    return tuple(Word(text, confidence, start_ms, end_ms) for text, start_ms, end_ms, confidence in stored)
