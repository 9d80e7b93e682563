"""From successive hypotheses to a prefix that stays and a tail that may still change.

Words in which two hypotheses in a row agree are taken as settled, except the last word of either, which the end of
the audio may have cut (local agreement, after Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition",
Interspeech 2020). A partial never takes a settled word back; the final, recognised from the whole segment, may.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caption:
    """What to show: ``text``, whose first ``stable_chars`` characters later partials keep."""

    text: str
    stable_chars: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """The settled words of a segment, and the words that followed them in the newest hypothesis."""

    settled: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()

    def after(self, hypothesis: str) -> "Agreement":
        """What is settled once ``hypothesis`` is known too."""
        tail = _words_after(self.settled, hypothesis.split())
        agreed = min(_common_prefix(self.tail, tail), max(0, len(self.tail) - 1), max(0, len(tail) - 1))
        return Agreement((*self.settled, *tail[:agreed]), tuple(tail[agreed:]))

    def caption(self) -> Caption:
        settled = " ".join(self.settled)
        text = " ".join((*self.settled, *self.tail))
        return Caption(text, len(settled))


def _words_after(settled: Sequence[str], words: Sequence[str]) -> Sequence[str]:
    """The part of ``words`` that follows what ``settled`` says, even where the two differ in wording."""
    if _common_prefix(settled, words) == len(settled):
        return words[len(settled) :]
    return words[_best_split(settled, words) :]


def _best_split(settled: Sequence[str], words: Sequence[str]) -> int:
    """How many of ``words`` are closest, by edit distance, to ``settled``; the longest such start."""
    distances = list(range(len(words) + 1))
    for row, expected in enumerate(settled, start=1):
        previous, distances = distances, [row]
        for column, word in enumerate(words, start=1):
            substitution = previous[column - 1] + (_key(expected) != _key(word))
            distances.append(min(substitution, previous[column] + 1, distances[column - 1] + 1))
    return max(range(len(distances)), key=lambda column: (-distances[column], column))


def _common_prefix(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if _key(one) != _key(other):
            break
        count += 1
    return count


def _key(word: str) -> str:
    """Case and punctuation do not make another word: both settle last."""
    return "".join(letter for letter in word.casefold() if letter.isalnum()) or word
