"""Greedy decoding of a batch with a key-value cache: one token a row and step, or a whole draft at once.

A draft is what a row may be going to say, such as what a shorter stretch of the same speech was heard to say. All its
tokens go through the decoder in one call, which tells for each what follows it. Of these answers a row takes those
that follow what it does say, and then goes on step by step, so a draft changes the time that a text takes and not the
text: the graph computes the same numbers, bit for bit, however many steps a call has (moonshine_decoder.py).

A row leaves the batch as soon as it has ended, so that a long text does not make its short neighbours pay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.engines.guard import loop_period, trimmed
from pipeline.engines.moonshine_shape import HEAD_SIZE, HEADS, VOCABULARY, cache_names
from pipeline.engines.tokenizer import END_TOKEN, START_TOKEN

Cache = dict[str, NDArray[np.float32]]
"""By name, keys: (rows, 1, heads, head size, time), and values: (rows, 1, heads, time, head size)."""

_NO_GUESS: Final = -1


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

    def hear(self, fed: Sequence[int], following: Iterable[int], probabilities: Iterable[float]) -> bool:
        """Takes what followed each token that was fed, until one was fed that was not said; False where the row ends.

        The first of ``fed`` is the last token that the row has said.
        """
        for guess, token, probability in zip((*fed[1:], _NO_GUESS), following, probabilities, strict=True):
            if not self.add(token, probability):
                return False
            if token != guess:
                break
        return True

    def trim(self) -> None:
        self.tokens = trimmed(self.tokens)
        self.probabilities = self.probabilities[: len(self.tokens)]


@dataclass(slots=True)
class _Speaking:
    """The rows that have not ended: ``tokens`` (rows, steps) to feed them, from ``positions`` (rows,) on."""

    rows: list[int]
    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    past: Cache
    cross: Cache


class GreedyDecoder:
    """Runs the decoder's graph until every row has ended."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._outputs = ["token", "probability", *cache_names("present")]

    def decode(self, cross: Cache, limit: int, drafts: Sequence[Sequence[int]] = ()) -> list[Spoken]:
        """What each row says, at most ``limit`` tokens. ``cross``: the encoder's keys and values.

        ``drafts``: what each row may be going to say; any tokens will do, or none.
        """
        spoken = [Spoken() for _ in next(iter(cross.values()))]
        usable = [_usable(draft, limit) for draft in drafts or [()] * len(spoken)]
        speaking = _Speaking(
            rows=list(range(len(spoken))),
            tokens=_started(usable),
            positions=np.zeros(len(spoken), np.int64),
            past=_empty_cache(len(spoken), limit),
            cross=cross,
        )
        while speaking.rows:
            self._step(speaking, spoken, limit)
        for row in spoken:
            row.trim()
        return spoken

    def _step(self, speaking: _Speaking, spoken: list[Spoken], limit: int) -> None:
        """Feeds all rows, and leaves in ``speaking`` those that go on."""
        following, probabilities, *present = self._session.run(self._outputs, _feed(speaking, limit))
        answers = zip(speaking.rows, speaking.tokens.tolist(), following.tolist(), probabilities.tolist(), strict=True)
        going_on = [spoken[row].hear(*answer) and len(spoken[row].tokens) < limit for row, *answer in answers]
        was_draft = speaking.tokens.shape[1] > 1
        speaking.past = dict(zip(cache_names("past"), present, strict=True))
        if not all(going_on):
            _keep(speaking, [at for at, goes_on in enumerate(going_on) if goes_on])
        rows = [spoken[row] for row in speaking.rows]
        speaking.tokens = np.array([row.tokens[-1:] for row in rows], np.int64)
        speaking.positions = np.array([len(row.tokens) for row in rows], np.int64)
        if was_draft:
            _forget_from(speaking.past, speaking.positions.tolist())


def _usable(draft: Sequence[int], limit: int) -> list[int]:
    """As much of a draft as the decoder can be fed."""
    fitting = draft[: limit - 1]
    return list(takewhile(lambda token: 0 <= token < VOCABULARY and token != END_TOKEN, fitting))


def _started(drafts: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """The drafts after their start tokens, filled up with what no row goes on after: (rows, longest + 1)."""
    tokens = np.full((len(drafts), 1 + max(map(len, drafts), default=0)), END_TOKEN, np.int64)
    tokens[:, 0] = START_TOKEN
    for row, draft in zip(tokens, drafts, strict=True):
        row[1 : 1 + len(draft)] = draft
    return tokens


def _feed(speaking: _Speaking, limit: int) -> dict[str, NDArray[np.generic]]:
    """The graph's inputs: the cache has room for ``limit`` tokens, and each step sees those up to its own place."""
    positions = speaking.positions[:, None] + np.arange(speaking.tokens.shape[1])
    places = np.arange(limit)
    written = (places == positions[..., None]).astype(np.float32)
    mask = np.where(places <= positions[..., None], np.float32(0), np.float32(-np.inf))
    return {
        "tokens": speaking.tokens,
        "positions": positions,
        "written": written[:, None, None],
        "mask": mask[:, :, None, None],
        **speaking.past,
        **speaking.cross,
    }


def _keep(speaking: _Speaking, kept: list[int]) -> None:
    """Drops all rows but those at the ``kept`` places."""
    speaking.rows = [speaking.rows[at] for at in kept]
    speaking.past, speaking.cross = (
        {name: value[kept] for name, value in cache.items()} for cache in (speaking.past, speaking.cross)
    )


def _forget_from(past: Cache, positions: Sequence[int]) -> None:
    """Empties each row's cache from its position on: the graph adds to what lies there, which must be zero."""
    for name, value in past.items():
        for row, position in zip(value, positions, strict=True):
            row[(..., slice(position, None)) if name.endswith("key") else (..., slice(position, None), slice(None))] = 0


def _empty_cache(rows: int, limit: int) -> Cache:
    keys, values = (rows, 1, HEADS, HEAD_SIZE, limit), (rows, 1, HEADS, limit, HEAD_SIZE)
    return {name: np.zeros(keys if name.endswith("key") else values, np.float32) for name in cache_names("past")}
