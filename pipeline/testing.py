"""Stand-ins that behave, for tests and for trying things out: a clock moved by hand and a recogniser with a script."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm, Word
from pipeline.errors import EngineError

SILENCE: Final = 1e-4
"""Audio whose samples all stay below this has an empty text."""


@dataclass(slots=True)
class ManualClock:
    """Milliseconds that pass only when told to."""

    now_ms: int = 0

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        self.now_ms += ms


def spell(audio: Pcm) -> Hypothesis:
    """A text that depends on every sample of the audio and on nothing else; empty for silence."""
    if not len(audio) or float(np.max(np.abs(audio))) < SILENCE:
        return Hypothesis("")
    words = (f"{len(audio) * 1000 // SAMPLE_RATE_HZ}ms", f"sum{float(np.sum(audio, dtype=np.float64)):.3f}")
    return Hypothesis(" ".join(words), tuple(Word(word, confidence=1.0) for word in words))


@dataclass
class ScriptedRecognizer(Recognizer):
    """Says what its script says about each stretch, under the same rules for batches as a real engine.

    ``script`` raises EngineError to play an engine that fails. ``batches`` has the size of every batch it was given.
    """

    script: Callable[[Pcm], Hypothesis] = spell
    name: str = "scripted"
    version: str = "1"
    max_samples: int = 30 * SAMPLE_RATE_HZ
    step_samples: int = SAMPLE_RATE_HZ // 2
    batches: list[int] = field(default_factory=list)

    def canonical_samples(self, samples: int) -> int:
        if samples > self.max_samples:
            raise ValueError(f"{samples} samples are more than the {self.max_samples} of {self.name}")
        return max(1, -(-samples // self.step_samples)) * self.step_samples

    def recognize(self, batch: Sequence[Pcm]) -> list[Hypothesis]:
        self.batches.append(len(batch))
        lengths = {self.canonical_samples(len(audio)) for audio in batch}
        if len(lengths) > 1:
            raise ValueError(f"a batch must share one canonical length, not {sorted(lengths)} samples")
        return [self.script(audio) for audio in batch]

    def warm_up(self) -> None:
        """Nothing to warm."""


def failing(audio: Pcm) -> Hypothesis:
    """A script: the engine is broken."""
    raise EngineError(f"scripted failure on {len(audio)} samples")
