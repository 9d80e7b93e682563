"""What engines share that run one stretch at a time: then a text cannot depend on its neighbours in the batch.

A batch is a loop here. It costs the speed that a batch may gain, and is right for any model and any precision.
"""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm
from pipeline.engines.guard import is_audible
from pipeline.errors import EngineError


class AloneRecognizer(Recognizer):
    """The contract of a Recognizer over ``_heard``, which takes one audible stretch."""

    max_samples = 30 * SAMPLE_RATE_HZ

    @abstractmethod
    def _canonical(self, samples: int) -> int:
        """The padded length, for a length that is short enough."""

    @abstractmethod
    def _heard(self, audio: Pcm) -> Hypothesis:
        """``audio``: of canonical length, silence at its end."""

    def canonical_samples(self, samples: int) -> int:
        """The length at which a stretch is recognised. Raises ValueError above ``max_samples``."""
        if samples > self.max_samples:
            raise ValueError(f"{samples} samples are more than the {self.max_samples} of {self.name}; cut the segment")
        return self._canonical(samples)

    def recognize(self, batch: Sequence[Pcm], drafts: Sequence[Sequence[int]] = ()) -> list[Hypothesis]:
        """One hypothesis a stretch: each (samples,), float32 in [-1, 1], 16 kHz. Raises EngineError and ValueError."""
        lengths = {self.canonical_samples(len(audio)) for audio in batch}
        if len(lengths) > 1:
            raise ValueError(f"a batch must share one canonical length, not {sorted(lengths)} samples")
        return [self._hypothesis(audio, max(lengths)) for audio in batch]

    def warm_up(self) -> None:
        """Recognises a second of noise."""
        self.recognize([np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE_HZ).astype(np.float32)])

    def _hypothesis(self, audio: Pcm, samples: int) -> Hypothesis:
        if not is_audible(audio):
            return Hypothesis("")
        padded = np.zeros(samples, np.float32)
        padded[: len(audio)] = audio
        try:
            return self._heard(padded)
        except Exception as exc:  # the libraries raise classes of their own, RuntimeError among them
            raise EngineError(f"{self.name} failed on {len(audio)} samples: {exc}") from exc
