"""Greedy decoding with a decoder as exporters merge it: one graph for the first token and, with a cache, for the rest.

Its inputs are input_ids (1, steps) int64, encoder_hidden_states, use_cache_branch (1,) bool, past_key_values.N.PART.key
and .value, and maybe encoder_attention_mask; its outputs logits (1, steps, vocabulary) and present.N.PART.key, .value.
PART is ``decoder`` or ``encoder``; the latter are the cross attention's, which the first call alone computes.
"""

from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.engines.greedy import Spoken
from pipeline.engines.guard import loop_period

Arrays = dict[str, NDArray[np.generic]]

_PAST: Final = "past_key_values."
_MASK: Final = "encoder_attention_mask"


class MergedDecoder:
    """Decodes one stretch a call; holds nothing of it, so threads may share it."""

    def __init__(self, session: ort.InferenceSession, start_token: int, end_token: int) -> None:
        self._session = session
        self._start_token = start_token
        self._end_token = end_token
        inputs = {one.name: one.shape for one in session.get_inputs()}
        self._shapes = {name: shape for name, shape in inputs.items() if name.startswith(_PAST)}
        self._takes_mask = _MASK in inputs
        self._outputs = ["logits", *(_present(name) for name in self._shapes)]

    def decode(self, states: NDArray[np.float32], mask: NDArray[np.int64], limit: int) -> Spoken:
        """What is said, at most ``limit`` tokens. ``states``: (1, time, size), ``mask``: (1, samples)."""
        spoken = Spoken()
        always: Arrays = {"encoder_hidden_states": states} | ({_MASK: mask} if self._takes_mask else {})
        token, past = self._start_token, self._nothing_past()
        while len(spoken.tokens) < limit:
            logits, past = self._step(token, past, always, first=not spoken.tokens)
            token = int(np.argmax(logits))
            if token == self._end_token:
                break
            spoken.tokens.append(token)
            spoken.probabilities.append(_probability(logits, token))
            if loop_period(spoken.tokens) is not None:
                break
        spoken.trim()
        return spoken

    def _step(self, token: int, past: Arrays, always: Arrays, *, first: bool) -> tuple[NDArray[np.float32], Arrays]:
        feed: Arrays = {"input_ids": np.array([[token]]), "use_cache_branch": np.array([not first]), **past, **always}
        logits, *present = self._session.run(self._outputs, feed)
        fresh = dict(zip(self._shapes, present, strict=True))
        kept = {} if first else {name: value for name, value in past.items() if ".encoder." in name}
        return logits[0, -1], fresh | kept

    def _nothing_past(self) -> Arrays:
        return {name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in self._shapes.items()}


def _present(past: str) -> str:
    return past.replace(_PAST, "present.")


def _probability(logits: NDArray[np.float32], token: int) -> float:
    return float(1 / np.exp(logits - logits[token]).sum())
