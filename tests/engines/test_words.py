"""Words and their confidence from tokens and their probabilities."""

import pytest

from pipeline.domain.types import Word
from pipeline.engines.tokenizer import Tokenizer
from pipeline.engines.words import words_of

TOKENIZER = Tokenizer((b"", b"", b"", b" so", b" un", b"known", b".", b" "))


def test_a_word_is_as_sure_as_the_product_of_its_tokens() -> None:
    so, unknown = words_of(TOKENIZER, [3, 4, 5, 6], [0.9, 0.5, 0.8, 0.5])
    assert (so, unknown.text) == (Word("so", confidence=0.9), "unknown.")
    assert unknown.confidence == pytest.approx(0.2)


def test_a_text_may_begin_inside_a_word() -> None:
    assert [word.text for word in words_of(TOKENIZER, [5, 3], [1.0, 1.0])] == ["known", "so"]


def test_tokens_without_a_visible_character_give_no_word() -> None:
    assert words_of(TOKENIZER, [7], [1.0]) == ()


def test_no_tokens_give_no_words() -> None:
    assert words_of(TOKENIZER, [], []) == ()
