"""What an engine answered, checked: engines of other people's making may say anything, and what follows trusts it."""

from collections.abc import Sequence
from typing import Any

from pipeline.domain.types import Hypothesis, Word
from pipeline.errors import EngineError


def checked(answer: Any, wanted: int, engine: str) -> list[Hypothesis]:
    """``answer`` as the ``wanted`` hypotheses that it should be. Raises EngineError, which says what it is instead."""
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise EngineError(f"{engine} gave {_shown(answer)} for a batch of {wanted}; expected a list of Hypothesis")
    if len(answer) != wanted:
        raise EngineError(f"{engine} gave {len(answer)} texts for a batch of {wanted}; expected one for each")
    for place, hypothesis in enumerate(answer):
        if not _is_hypothesis(hypothesis):
            raise EngineError(
                f"{engine} gave {_shown(hypothesis)} as text {place} of {wanted}; expected a Hypothesis of a text and "
                "a tuple of Word, confidence in [0, 1] or None, its tokens a tuple of int"
            )
    return list(answer)


def _is_hypothesis(value: Any) -> bool:
    return (
        isinstance(value, Hypothesis)
        and _is_text(value.text)
        and isinstance(value.words, tuple)
        and all(_is_word(word) for word in value.words)
        and isinstance(value.tokens, tuple)
        and all(isinstance(token, int) for token in value.tokens)
    )


def _is_word(value: Any) -> bool:
    return (
        isinstance(value, Word)
        and _is_text(value.text)
        and (value.confidence is None or (isinstance(value.confidence, (int, float)) and 0 <= value.confidence <= 1))
        and all(at_ms is None or isinstance(at_ms, int) for at_ms in (value.start_ms, value.end_ms))
    )


def _is_text(value: Any) -> bool:
    """Whether it can be written as UTF-8, which half of a surrogate pair cannot."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _shown(value: Any) -> str:
    """The start of its repr, in ASCII: it goes into a message that must itself be written."""
    return ascii(value)[:80]
