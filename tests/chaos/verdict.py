"""Are the finals that came those of an undisturbed run, and how long did nobody hear anything? Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Self

from pipeline.adapters.kafka.reader import TranscriptId, transcript_id
from pipeline.domain.types import Transcript, TranscriptKind

Segment = tuple[int, int]
"""Channel and number."""

Told = tuple[int, int, str, str | None]
"""What a final says: its start and end in milliseconds, its text, and its error."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the finals of sessions compare with those expected.

    Of the ``expected`` segments, ``identical`` have exactly the final they should (revision, times and text), ``lost``
    have none, ``changed`` have another; a segment that nobody expected counts as changed, too. ``doubled`` segments
    have more than one final once repeats are dropped by their id, and ``repeated`` records were dropped so.
    ``audio_lost_ms`` is audio that was given to Kafka and that the sessions did not hear, or heard more than once.
    """

    expected: int = 0
    identical: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    repeated: int = 0
    audio_lost_ms: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing but harmless repeats came of the fault."""
        return not (self.lost or self.doubled or self.changed or self.audio_lost_ms)

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def verdict(expected: Sequence[Transcript], records: Sequence[Transcript], published_ms: int) -> Verdict:
    """One session: ``expected`` are its transcripts undisturbed, ``records`` all that its topic holds, repeats too.

    ``published_ms`` is the audio given to Kafka.
    """
    wanted, told = _finals_by_segment(expected), _finals_by_segment(records)
    identical = [segment for segment in wanted if told.get(segment) == wanted[segment]]
    lost = [segment for segment in wanted if segment not in told]
    return Verdict(
        expected=len(wanted),
        identical=len(identical),
        lost=len(lost),
        doubled=sum(len(finals) > 1 for finals in told.values()),
        changed=len(wanted.keys() | told.keys()) - len(identical) - len(lost),
        repeated=len(records) - len({transcript_id(each) for each in records}),
        audio_lost_ms=abs(published_ms - heard_ms(records)),
    )


def heard_ms(records: Iterable[Transcript]) -> int:
    """The audio of a session that was heard, as its last end tells it; none where it has not ended."""
    ends = [each.end_ms - each.gap_ms for each in records if each.kind is TranscriptKind.SESSION_END]
    return ends[-1] if ends else 0


def longest_silence_s(since_s: float, arrivals_s: Iterable[float]) -> float:
    """The longest time without an arrival, from ``since_s`` to the last one, on the same clock; 0 where none came."""
    moments = [since_s, *sorted(moment for moment in arrivals_s if moment > since_s)]
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


def _finals_by_segment(records: Iterable[Transcript]) -> Mapping[Segment, Mapping[TranscriptId, frozenset[Told]]]:
    """What was told of each segment under each id, but for the session in it: one thing, unless repeats differ."""
    told: dict[Segment, dict[TranscriptId, frozenset[Told]]] = defaultdict(dict)
    for each in (each for each in records if each.is_final):
        of_segment, identity = told[each.channel, each.segment], ("", *transcript_id(each)[1:])
        words: Told = (each.start_ms, each.end_ms, each.text, each.error)
        of_segment[identity] = of_segment.get(identity, frozenset()) | {words}
    return told
