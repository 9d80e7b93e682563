"""How good an engine is, how quick, and whether a text ever depends on its batch."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.domain.ports import Recognizer
from pipeline.domain.scoring import WordErrors, pooled, word_errors
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm

BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording, (samples,) float32 in [-1, 1] at 16 kHz, and what is said in it."""

    audio: Pcm
    reference: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Word errors over all recordings, their length, and the CPU time of this process that they took."""

    errors: WordErrors
    audio_s: float
    core_s: float

    @property
    def audio_s_per_core_s(self) -> float:
        return self.audio_s / self.core_s if self.core_s else float("inf")


@dataclass(frozen=True, slots=True)
class Independence:
    """How many of the stretches had another hypothesis in a batch than alone."""

    changed: int
    stretches: int


def quality(recognizer: Recognizer, spoken: Sequence[Spoken], cpu_s: Callable[[], float]) -> Quality:
    """Recognises each recording alone, the longer ones in pieces. ``cpu_s``: CPU seconds so far."""
    started_s = cpu_s()
    texts = [whole_text(recognizer, one.audio) for one in spoken]
    core_s = cpu_s() - started_s
    errors = pooled(word_errors(one.reference, text) for one, text in zip(spoken, texts, strict=True))
    return Quality(errors, sum(len(one.audio) for one in spoken) / SAMPLE_RATE_HZ, core_s)


def whole_text(recognizer: Recognizer, audio: Pcm) -> str:
    """The text of a recording in one piece, or in as few as the engine takes."""
    pieces = np.array_split(audio, max(1, -(-len(audio) // recognizer.max_samples)))
    return " ".join(recognizer.recognize([piece])[0].text for piece in pieces)


def independence(recognizer: Recognizer, stretches: Sequence[Pcm]) -> Independence:
    """Each stretch alone and with others of its canonical length, compared bit for bit: text, words, confidences."""
    changed = 0
    for alike in _by_length(recognizer, stretches).values():
        alone = [recognizer.recognize([one])[0] for one in alike]
        for first in range(0, len(alike), BATCH):
            together = recognizer.recognize(alike[first : first + BATCH])
            changed += sum(one != other for one, other in zip(alone[first : first + BATCH], together, strict=True))
    return Independence(changed, len(stretches))


def pieces_of(audio: Pcm, seconds: int) -> list[Pcm]:
    """The whole pieces of that length."""
    samples = seconds * SAMPLE_RATE_HZ
    return [audio[at : at + samples] for at in range(0, len(audio) - samples + 1, samples)]


def _by_length(recognizer: Recognizer, stretches: Sequence[Pcm]) -> dict[int, list[Pcm]]:
    by_length: defaultdict[int, list[Pcm]] = defaultdict(list)
    for one in stretches:
        by_length[recognizer.canonical_samples(len(one))].append(one)
    return by_length
