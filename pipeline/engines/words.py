"""Words with confidences from tokens with probabilities."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Protocol

from pipeline.domain.types import Word


class Vocabulary(Protocol):
    """What tokens mean."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of the tokens, without spaces at its ends."""
        ...

    def starts_word(self, token: int) -> bool: ...


def words_of(tokenizer: Vocabulary, tokens: Sequence[int], probabilities: Sequence[float]) -> tuple[Word, ...]:
    """The words that the tokens spell; tokens that spell no visible character give none.

    A word's confidence is the product of its tokens' probabilities: what the model gave to the whole word, the words
    before it taken as said.
    """
    words = []
    for first, end in _spans(tokenizer, tokens):
        text = tokenizer.decode(tokens[first:end])
        if text:
            words.append(Word(text, confidence=min(1.0, prod(probabilities[first:end]))))
    return tuple(words)


def _spans(tokenizer: Vocabulary, tokens: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and end of every run of tokens that begins with a space."""
    starts = (at for at, token in enumerate(tokens) if at == 0 or tokenizer.starts_word(token))
    yield from pairwise((*starts, len(tokens)))
