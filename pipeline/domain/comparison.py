"""Two texts of the same speech side by side: which of their segments speak of the same time, which words differ."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pipeline.domain.scoring import normalized
from pipeline.domain.types import Transcript


@dataclass(frozen=True, slots=True)
class Row:
    """The segments of both recognitions in one stretch of time of one channel; a side may have none."""

    channel: int
    start_ms: int
    before: tuple[Transcript, ...]
    after: tuple[Transcript, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """Words of one text in a row, which the other text has as well, or not."""

    text: str
    changed: bool


def rows(before: Iterable[Transcript], after: Iterable[Transcript]) -> list[Row]:
    """Both sides' segments by channel and time; those that overlap share a row, also where they were cut apart."""
    sided = [(each, True) for each in before] + [(each, False) for each in after]
    sided.sort(key=lambda one: (one[0].channel, one[0].start_ms))
    groups: list[list[tuple[Transcript, bool]]] = []
    for segment, is_before in sided:
        if groups and _overlaps(segment, [each for each, _ in groups[-1]]):
            groups[-1].append((segment, is_before))
        else:
            groups.append([(segment, is_before)])
    return [_row(group) for group in groups]


def text_of(segments: Iterable[Transcript]) -> str:
    """Their texts in one line."""
    return " ".join(each.text for each in segments if each.text)


def changed_words(text: str, other: str) -> list[Piece]:
    """``text`` in pieces, by whether ``other`` has the same words there; case and punctuation make no difference."""
    words, wanted = text.split(), other.split()
    matcher = SequenceMatcher(None, _comparable(words), _comparable(wanted), autojunk=False)
    return [
        Piece(" ".join(words[start:end]), tag != "equal")
        for tag, start, end, _, _ in matcher.get_opcodes()
        if start < end
    ]


def _overlaps(segment: Transcript, group: Sequence[Transcript]) -> bool:
    """Whether the segment begins before those of its channel end."""
    return group[0].channel == segment.channel and segment.start_ms < max(each.end_ms for each in group)


def _row(group: Sequence[tuple[Transcript, bool]]) -> Row:
    first = group[0][0]
    before = tuple(each for each, is_before in group if is_before)
    after = tuple(each for each, is_before in group if not is_before)
    return Row(first.channel, first.start_ms, before, after)


def _comparable(words: Sequence[str]) -> list[str]:
    return [normalized(word) for word in words]
