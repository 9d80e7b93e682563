"""How good and how quick: word errors, their confidence interval, and percentiles.

The word error rate is (substitutions + deletions + insertions) / reference words, over the alignment of least cost.
Before counting, texts are made comparable the way most published figures do it: lower case, no punctuation.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.int32]
"""Shape (reference words + 1, hypothesis words + 1): the edits that turn one prefix into the other."""

APOSTROPHES: Final = frozenset("'\u2018\u2019\u02bc`")
DEFAULT_PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class WordErrors:
    """How a text differs from its reference; adds up over many texts."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference_words: int = 0

    @property
    def total(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors a reference word; an empty reference counts as one word, so that inventions still cost."""
        return self.total / max(self.reference_words, 1)

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference_words + other.reference_words,
        )


def normalized(text: str) -> str:
    """Lower case, apostrophes dropped, other punctuation turned into spaces, spaces collapsed."""
    joined = "".join(char for char in unicodedata.normalize("NFC", text.lower()) if char not in APOSTROPHES)
    return " ".join("".join(char if _is_spoken(char) else " " for char in joined).split())


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """The errors of ``hypothesis`` against ``reference``, both normalised first."""
    wanted, heard = normalized(reference).split(), normalized(hypothesis).split()
    return _counted(_costs(wanted, heard), wanted, heard)


def pooled(errors: Iterable[WordErrors]) -> WordErrors:
    """All errors over all reference words: long texts weigh more than short ones."""
    return sum(errors, WordErrors())


def bootstrap_interval(
    errors: Sequence[WordErrors], generator: np.random.Generator, confidence: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    """The interval of the pooled rate when the texts are drawn again with replacement. Raises ValueError if empty."""
    if not errors:
        raise ValueError("no texts to draw from: score at least one")
    counts = np.array([(one.total, one.reference_words) for one in errors], dtype=np.float64)
    drawn = counts[generator.integers(0, len(errors), size=(resamples, len(errors)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / np.maximum(drawn[:, 1], 1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def percentiles(values: Sequence[float], wanted: Sequence[int] = DEFAULT_PERCENTILES) -> dict[str, float | None]:
    """``{"p50": ..., "p95": ...}`` by linear interpolation; None for each where there are no values."""
    if not values:
        return {f"p{percent}": None for percent in wanted}
    found = np.percentile(np.asarray(values, dtype=np.float64), wanted)
    return {f"p{percent}": round(float(value), 1) for percent, value in zip(wanted, found, strict=True)}


def _is_spoken(char: str) -> bool:
    """Letters, marks and digits: marks too, or the words of many scripts would fall apart."""
    return unicodedata.category(char)[0] in "LMN"


def _costs(wanted: Sequence[str], heard: Sequence[str]) -> Costs:
    """Levenshtein, one row at a time: insertions are a running minimum, once the slope of 1 a step is taken out."""
    steps = np.arange(len(heard) + 1, dtype=np.int32)
    rows = [steps]
    words = np.array(heard, dtype=object)
    for word in wanted:
        above = rows[-1]
        replaced = above[:-1] + (words != word)
        cheapest = np.concatenate((above[:1] + 1, np.minimum(above[1:] + 1, replaced))).astype(np.int32)
        rows.append(np.minimum.accumulate(cheapest - steps) + steps)
    return np.stack(rows)


def _counted(costs: Costs, wanted: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """Walks the cheapest alignment back from the end, preferring substitutions where several cost the same."""
    row, column = len(wanted), len(heard)
    substitutions = deletions = insertions = 0
    while row or column:
        differs = row > 0 and column > 0 and wanted[row - 1] != heard[column - 1]
        if row and column and costs[row, column] == costs[row - 1, column - 1] + differs:
            substitutions, row, column = substitutions + differs, row - 1, column - 1
        elif row and costs[row, column] == costs[row - 1, column] + 1:
            deletions, row = deletions + 1, row - 1
        else:
            insertions, column = insertions + 1, column - 1
    return WordErrors(substitutions, deletions, insertions, len(wanted))
