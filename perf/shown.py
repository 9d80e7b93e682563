"""What a listener saw of live sessions, and what that says of the wait for it: values in, figures out.

All of it holds for Voxflow and for its peers alike, so that both are measured by one rule.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.client.latency import Arrival
from pipeline.domain.comparison import changed_words
from pipeline.domain.types import TranscriptKind


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it came on screen. All times are milliseconds since the first sample of its session.

    ``start_ms`` and ``end_ms`` span the speech of its segment as far as it was heard by then.
    """

    session: str
    segment: int
    at_ms: int
    start_ms: int
    end_ms: int
    is_final: bool
    text: str


Segments = list[list[Shown]]
"""What was shown of each segment, in order of arrival; that of one session in the order of its segments."""


def shown(arrivals: Iterable[Arrival], started_at_ms: Mapping[str, int]) -> list[Shown]:
    """Partials and finals of the sessions in ``started_at_ms``: id to the wall clock of the first sample."""
    return [
        Shown(
            one.transcript.session_id,
            one.transcript.segment,
            one.at_ms - started_at_ms[one.transcript.session_id],
            one.transcript.start_ms,
            one.transcript.end_ms,
            one.transcript.is_final,
            one.transcript.text,
        )
        for one in arrivals
        if one.transcript.kind is not TranscriptKind.SESSION_END
    ]


def by_segment(texts: Iterable[Shown]) -> Segments:
    """The segments of all sessions, those of a session one after another.

    What comes after a final is left out, as listeners do: partials are read from another topic and may be overtaken.
    """
    found: dict[tuple[str, int], list[Shown]] = defaultdict(list)
    for one in texts:
        segment = found[one.session, one.segment]
        if not (segment and segment[-1].is_final):
            segment.append(one)
    return [found[key] for key in sorted(found)]


def within(segments: Segments, from_ms: int, to_ms: int) -> Segments:
    """Those whose speech lies between two moments of their sessions: while all of a load speaks."""
    return [one for one in segments if from_ms <= one[-1].start_ms and one[-1].end_ms <= to_ms]


def final_waits_ms(segments: Segments) -> list[int]:
    """From the end of each segment's speech to the arrival of its final text.

    Segments that were cut in mid-speech for their length are left out: nobody stopped speaking where they end.
    """
    ended = [one[-1] for one in segments if one[-1].is_final and one[-1].text]
    return [one.at_ms - one.end_ms for one, cut in zip(ended, _cut(ended), strict=True) if not cut]


def first_text_waits_ms(segments: Segments) -> list[int]:
    """From the start of each segment's speech to the first text of it."""
    return [one[0].at_ms - one[0].start_ms for one in segments if one[-1].text]


def silences_ms(segments: Segments) -> list[int]:
    """How long a listener saw nothing new while a segment lasted: from its start to its first text, from there to the
    next, and so on to its final.
    """
    moments = [[one[0].start_ms, *(text.at_ms for text in one)] for one in segments if one[-1].text]
    return [later - earlier for of_one in moments for earlier, later in pairwise(of_one)]


def flicker(segments: Segments) -> float | None:
    """The share of words on screen that the next text of their segment took back; None where nothing was revised.

    Case and punctuation do not count. A word that only moves on, since one came before it, was not taken back.
    """
    pairs = [pair for one in segments for pair in pairwise(one)]
    words = sum(len(before.text.split()) for before, _ in pairs)
    taken = sum(_taken_back(before.text, after.text) for before, after in pairs)
    return taken / words if words else None


def texts_by_session(segments: Segments) -> dict[str, str]:
    """Each session's final texts in one line."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in segments:
        if one[-1].is_final and one[-1].text:
            found[one[-1].session].append(one[-1].text)
    return {session: " ".join(texts) for session, texts in found.items()}


def _cut(finals: Sequence[Shown]) -> list[bool]:
    """Whether the next segment of the session begins where this one ends."""
    nexts = [*finals, None][1:]
    return [
        after is not None and after.session == one.session and after.start_ms <= one.end_ms
        for one, after in zip(finals, nexts, strict=True)
    ]


def _taken_back(before: str, after: str) -> int:
    return sum(len(piece.text.split()) for piece in changed_words(before, after) if piece.changed)
