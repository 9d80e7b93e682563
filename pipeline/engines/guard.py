"""What a small model invents: it repeats itself where it has lost its place, and finds words in noise."""

from collections.abc import Sequence
from math import prod
from typing import Final

import numpy as np

from pipeline.domain.types import Pcm

MAX_PERIOD: Final = 16
"""The longest phrase, in tokens, whose repetition is looked for."""

MIN_REPEATED_TOKENS: Final = 12
"""A loop covers at least so many tokens: 'no, no, no' and 'very, very' are speech."""

MIN_REPEATS: Final = 4
"""...and says its phrase at least so many times in a row."""


MIN_SURENESS: Final = 0.2
"""Speech stays above this, even where it is badly understood; sentences found in noise were below 0.13."""


_QUIET: Final = 1e-4
"""Below three steps of 16-bit audio nothing can be said, and a model would invent something."""


def is_audible(audio: Pcm) -> bool:
    """Whether something may be said in the stretch; one that is not is not worth a run of the model."""
    return len(audio) > 0 and float(np.max(np.abs(audio))) > _QUIET


def loop_period(tokens: Sequence[int]) -> int | None:
    """The length of the phrase that the tokens end by repeating; None where they end in no loop."""
    for period in range(1, min(MAX_PERIOD, len(tokens) // MIN_REPEATS) + 1):
        if _repeated_tail(tokens, period) >= max(MIN_REPEATS * period, MIN_REPEATED_TOKENS):
            return period
    return None


def trimmed(tokens: Sequence[int]) -> list[int]:
    """The tokens with a loop at their end cut down to one saying of its phrase."""
    period = loop_period(tokens)
    if period is None:
        return list(tokens)
    return list(tokens[: len(tokens) - _repeated_tail(tokens, period) + period])


def _repeated_tail(tokens: Sequence[int], period: int) -> int:
    """How many tokens at the end repeat with this period, the first saying included."""
    length = period
    while length < len(tokens) and tokens[-length - 1] == tokens[-length - 1 + period]:
        length += 1
    return length


def is_invented(text: str, probabilities: Sequence[float]) -> bool:
    """Whether a text, with the probabilities of its tokens, is what the model says of sound without speech.

    It answers noise and hum with notes of music, with a lone "You" that, unlike that word when it was said, has no full
    stop, or with a sentence it hardly believes itself (docs/engine.md).
    """
    if text == "You" or not any(character.isalnum() for character in text):
        return True
    return bool(probabilities) and _sureness(probabilities) < MIN_SURENESS


def _sureness(probabilities: Sequence[float]) -> float:
    """The geometric mean; one impossible token makes it 0."""
    return float(prod(probability ** (1 / len(probabilities)) for probability in probabilities))
