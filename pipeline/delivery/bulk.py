"""Documents to indices, many in a request, and what became of each."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast

from pipeline.adapters.elasticsearch import Client, one_line, reason
from pipeline.config import ElasticsearchSettings
from pipeline.delivery.documents import Document
from pipeline.delivery.view import Content, Delivery, Refused
from pipeline.errors import ViewUnavailable

LONGEST_REQUEST: Final = 8 * 1024 * 1024
"""Bytes. A node takes 100 MB, and holds all of it in memory at once."""

CONFLICT: Final = 409
MISSING: Final = 404
BAD: Final = frozenset({400, 413})
PASSING: Final = frozenset({"index_closed_exception", "cluster_block_exception", "validation_exception"})
"""Kinds of error that say 400 as well, though the document is not to blame."""


class Fate(Enum):
    """What became of one document; one that is there already, in the same or a newer revision, counts as stored."""

    STORED = "stored"
    NO_INDEX = "no index"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one document, and the server's reason for it; ``is_new`` if the index did not have it like this."""

    fate: Fate
    reason: str = ""
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """One document and the index or alias that it belongs into, as two lines of the request."""

    lines: bytes

    @classmethod
    def of(cls, target: str, identity: str, document: Document, only_newer: bool = False, alias: bool = True) -> "Put":
        """The document's revision is its version: an older one never replaces a newer one.

        ``only_newer`` leaves a document of the same revision as it is, too. ``alias`` demands that the target is one.
        """
        action = {
            "_index": target,
            "_id": identity,
            "version": document["revision"],
            "version_type": "external" if only_newer else "external_gte",
            "require_alias": alias,
        }
        return cls(b"\n".join(json.dumps(one).encode() for one in ({"index": action}, document)))


def requests(puts: Iterable[Put]) -> Iterator[list[Put]]:
    """The puts in order, in lists that are not too long for one request; a single one may be."""
    part: list[Put] = []
    size = 0
    for put in puts:
        if part and size + len(put.lines) > LONGEST_REQUEST:
            yield part
            part, size = [], 0
        part.append(put)
        size += len(put.lines)
    if part:
        yield part


def send(client: Client, puts: Sequence[Put]) -> list[Outcome]:
    """One outcome for each put. Raises what the client raises.

    The client takes lines that are ready, too, though its types do not say so.
    """
    outcomes: list[Outcome] = []
    for part in requests(puts):
        answer = client.bulk(operations=cast(list[dict[str, Any]], [put.lines for put in part]))
        outcomes += [_outcome(item["index"]) for item in answer.body["items"]]
    return outcomes


def refusals(
    batch: Sequence[Delivery[Content]], outcomes: Sequence[Outcome], settings: ElasticsearchSettings
) -> list[Refused[Content]]:
    """What of the batch will never be stored. Raises ViewUnavailable where another attempt may store something."""
    for one in outcomes:
        if one.fate in (Fate.FAILED, Fate.NO_INDEX):
            raise ViewUnavailable(f"Elasticsearch at {settings.address} cannot store now: {one.reason}")
    pairs = zip(batch, outcomes, strict=True)
    return [Refused(delivery, one.reason) for delivery, one in pairs if one.fate is Fate.REFUSED]


def _outcome(item: dict[str, Any]) -> Outcome:
    status, error = item["status"], item.get("error")
    if error is None or status == CONFLICT:
        return Outcome(Fate.STORED, is_new=error is None)
    said = reason(error) if isinstance(error, dict) else one_line(str(error))
    kind = error.get("type") if isinstance(error, dict) else None
    if status == MISSING:
        return Outcome(Fate.NO_INDEX, said)
    return Outcome(Fate.REFUSED if status in BAD and kind not in PASSING else Fate.FAILED, f"{status}, {said}")
