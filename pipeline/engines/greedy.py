"""Greedy decoding of a batch, one token a row and step, with the key-value cache.

A row leaves the batch as soon as it has ended, so that a long text does not make its short neighbours pay.
"""

from dataclasses import dataclass, field

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.engines.guard import loop_period, trimmed
from pipeline.engines.moonshine_shape import HEAD_SIZE, HEADS, cache_names
from pipeline.engines.tokenizer import END_TOKEN, START_TOKEN

Cache = dict[str, NDArray[np.float32]]
"""Keys and values by name, each (rows, heads, time, head size)."""


@dataclass(slots=True)
class Spoken:
    """The tokens of one row, and how sure the model was of each; in [0, 1]."""

    tokens: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)

    def add(self, token: int, probability: float) -> bool:
        """Takes the next token; False where the row ends, by itself or because it has begun to loop."""
        if token == END_TOKEN:
            return False
        self.tokens.append(token)
        self.probabilities.append(probability)
        return loop_period(self.tokens) is None

    def trim(self) -> None:
        self.tokens = trimmed(self.tokens)
        self.probabilities = self.probabilities[: len(self.tokens)]


class GreedyDecoder:
    """Runs the decoder's graph until every row has ended."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._outputs = ["token", "probability", *cache_names("present")]

    def decode(self, cross: Cache, limit: int) -> list[Spoken]:
        """What each row says, at most ``limit`` tokens. ``cross``: the encoder's keys and values."""
        rows = len(next(iter(cross.values())))
        spoken = [Spoken() for _ in range(rows)]
        open_rows = list(range(rows))
        tokens = np.full((rows, 1), START_TOKEN, np.int64)
        past = _empty_cache(rows)
        for position in range(limit):
            tokens, probabilities, past = self._step(tokens, position, past, cross)
            kept = _still_speaking(open_rows, spoken, tokens, probabilities)
            if not kept:
                break
            if len(kept) < len(open_rows):
                tokens, past, cross = tokens[kept], _rows(past, kept), _rows(cross, kept)
                open_rows = [open_rows[at] for at in kept]
        for row in spoken:
            row.trim()
        return spoken

    def _step(
        self, tokens: NDArray[np.int64], position: int, past: Cache, cross: Cache
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], Cache]:
        feed = {"tokens": tokens, "position": np.array([position], np.int64), **past, **cross}
        token, probability, *present = self._session.run(self._outputs, feed)
        return token, probability, dict(zip(cache_names("past"), present, strict=True))


def _still_speaking(
    open_rows: list[int], spoken: list[Spoken], tokens: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> list[int]:
    """The places in the batch whose rows go on."""
    return [at for at, row in enumerate(open_rows) if spoken[row].add(int(tokens[at, 0]), float(probabilities[at, 0]))]


def _rows(cache: Cache, kept: list[int]) -> Cache:
    return {name: value[kept] for name, value in cache.items()}


def _empty_cache(rows: int) -> Cache:
    return {name: np.zeros((rows, HEADS, 0, HEAD_SIZE), np.float32) for name in cache_names("past")}
