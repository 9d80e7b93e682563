"""Finding what was said: full-text search over the index, and the finals of one session out of it."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from elasticsearch import BadRequestError

from pipeline.adapters.elasticsearch import answering, connect, said
from pipeline.config import ElasticsearchSettings
from pipeline.delivery.documents import stored_segment
from pipeline.delivery.reading import StoredSegment, in_order
from pipeline.errors import SetupError

Order = Literal["best", "newest", "oldest"]

MARK_BEGIN: Final = "\ue000"
MARK_END: Final = "\ue001"
"""Characters for private use, that no engine writes: they set off the words found in what the server sends back."""

LONGEST_ANALYSED: Final = 500_000
"""Characters of a text in which words are marked; the server itself refuses to mark one of a million."""

SEGMENTS_A_REQUEST: Final = 1_000
TIE_BREAKERS: Final = ("session_id", "channel", "segment")
"""Together the name of a document, so that no two are equal and a page begins exactly where the last one ended."""

Marks = tuple[tuple[int, int], ...]
"""Begin and end, in characters of the text."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; ``since_ms`` and ``until_ms`` (not included) are wall clock, of when it was spoken.

    ``words`` may use the operators of simple_query_string: "a phrase", |, -not, begin*, typo~; malformed ones are
    words like any other. ``after`` is the place at which an earlier page ended.
    """

    words: str
    tenant: str | None = None
    session_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    order: Order = "best"
    limit: int = 10
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A segment that was found; ``captured_at_ms`` is the wall clock at its end, ``marks`` the words that matched."""

    segment: StoredSegment
    captured_at_ms: int
    score: float | None
    marks: Marks

    @property
    def at_ms(self) -> int:
        """Where in the recording the first word found was spoken, else the segment's start: on the audio clock."""
        if self.marks:
            spoken_ms = time_of(self.segment, self.marks[0][0])
            if spoken_ms is not None:
                return spoken_ms
        return self.segment.start_ms


@dataclass(frozen=True, slots=True)
class Page:
    """Hits in order, how many there are in all, and where the next page begins: None if there is none."""

    hits: tuple[Hit, ...]
    total: int
    after: str | None


class Search:
    """Reads the index that ``IndexView`` writes. Methods raise ViewUnavailable if Elasticsearch does not answer."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._client = connect(settings)

    def find(self, query: Query) -> Page:
        """One page of what matches all words. Raises SetupError for a query that is too long, or a place unknown."""
        body = {
            "query": _asked(query),
            "sort": _sort(query.order),
            "track_scores": True,
            "size": query.limit + 1,
            "highlight": HIGHLIGHT,
            "track_total_hits": True,
        }
        after = {} if query.after is None else {"search_after": _place(query.after)}
        answer = self._asked({**body, **after}, f"the query of {len(query.words)} characters")
        found = answer["hits"]["hits"]
        shown = found[: query.limit]
        more = _token(shown[-1]["sort"]) if len(found) > query.limit else None
        return Page(tuple(map(_hit, shown)), answer["hits"]["total"]["value"], more)

    def session_finals(self, session_id: str) -> tuple[StoredSegment, ...]:
        """The finals of a session in the order of speech; empty if the index holds none, or not any more."""
        body: dict[str, Any] = {
            "query": {"bool": {"filter": [{"term": {"session_id": session_id}}]}},
            "sort": ["start_ms", *TIE_BREAKERS],
            "size": SEGMENTS_A_REQUEST,
            "track_total_hits": False,
        }
        found: list[dict[str, Any]] = []
        while hits := self._asked(body, f"session {session_id!r}")["hits"]["hits"]:
            found += hits
            body["search_after"] = hits[-1]["sort"]
        return in_order(stored_segment(hit["_source"]) for hit in found)

    def close(self) -> None:
        self._client.close()

    def _asked(self, body: dict[str, Any], what: str) -> dict[str, Any]:
        """The answer; an index that is not there yet holds nothing."""
        with answering(self._settings):
            try:
                answer = self._client.search(
                    index=self._settings.prefix,
                    body=body,
                    ignore_unavailable=True,
                    search_type="dfs_query_then_fetch",
                    preference="voxflow",
                )
            except BadRequestError as exc:
                raise SetupError(f"Elasticsearch cannot look for {what}: {said(exc)}; ask for less") from exc
        result: dict[str, Any] = answer.body
        return result


HIGHLIGHT: Final = {
    "pre_tags": [MARK_BEGIN],
    "post_tags": [MARK_END],
    "number_of_fragments": 0,
    "max_analyzed_offset": LONGEST_ANALYSED,
    "fields": {"text": {}, "text.exact": {}},
}


def time_of(segment: StoredSegment, position: int) -> int | None:
    """When the word at this character of the text was spoken, on the audio clock; None where the engine did not say."""
    begin = 0
    for word in segment.words:
        found = segment.text.find(word.text, begin)
        if found < 0:
            continue
        begin = found + len(word.text)
        if begin > position:
            return word.start_ms
    return None


def marks_in(marked: str) -> Marks:
    """Where the marks stand, in characters of the text without them."""
    marks: list[tuple[int, int]] = []
    begin = end = 0
    for part in re.split(f"([{MARK_BEGIN}{MARK_END}])", marked):
        if part == MARK_BEGIN:
            begin = end
        elif part == MARK_END:
            marks.append((begin, end))
        else:
            end += len(part)
    return tuple(marks)


def merged(marks: Iterable[tuple[int, int]]) -> Marks:
    """In order, those that overlap as one."""
    result: list[tuple[int, int]] = []
    for begin, end in sorted(marks):
        if result and begin < result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return tuple(result)


def _asked(query: Query) -> dict[str, Any]:
    """All words must be there, in any form; within quotes as they stand. Begin* and typo~ are compared with both."""
    text = {
        "query": query.words,
        "fields": ["text", "text.exact"],
        "default_operator": "and",
        "quote_field_suffix": ".exact",
    }
    return {"bool": {"must": [{"simple_query_string": text}], "filter": _filters(query)}}


def _filters(query: Query) -> list[dict[str, Any]]:
    terms = {"tenant": query.tenant, "session_id": query.session_id}
    filters: list[dict[str, Any]] = [{"term": {name: value}} for name, value in terms.items() if value is not None]
    bounds = {"gte": query.since_ms, "lt": query.until_ms}
    wanted = {name: bound for name, bound in bounds.items() if bound is not None}
    return filters + ([{"range": {"captured_at": wanted}}] if wanted else [])


def _sort(order: Order) -> list[Any]:
    newest = {"captured_at": {"order": "desc", "format": "epoch_millis"}}
    oldest = {"captured_at": {"order": "asc", "format": "epoch_millis"}}
    first: dict[Order, list[Any]] = {"best": [{"_score": "desc"}, newest], "newest": [newest], "oldest": [oldest]}
    return [*first[order], *TIE_BREAKERS]


def _hit(found: dict[str, Any]) -> Hit:
    source = found["_source"]
    marked = found.get("highlight", {})
    marks = merged(mark for texts in marked.values() for mark in marks_in(texts[0]))
    return Hit(stored_segment(source), source["captured_at"], found["_score"], marks)


def _token(place: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(token: str) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        place = None
    if not isinstance(place, list):
        raise SetupError(f"{token!r} is no place in a list of hits: give what the page before it ended with")
    return place
