"""Moonshine tiny English on plain onnxruntime: batched, greedy, and the same text whatever the batch.

Three things keep a text independent of its neighbours: a stretch is padded with silence to a canonical length, a
batch takes one canonical length only, and no number in the graphs is computed over more than one row (docs/engine.md).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm
from pipeline.engines.base import EngineSettings, make_session
from pipeline.engines.catalog import MOONSHINE_TINY_EN
from pipeline.engines.greedy import GreedyDecoder, Spoken
from pipeline.engines.guard import is_audible, is_invented
from pipeline.engines.moonshine_files import MoonshineFiles
from pipeline.engines.moonshine_shape import REWRITE_VERSION, Weights, cache_names
from pipeline.engines.tokenizer import Tokenizer
from pipeline.engines.words import words_of
from pipeline.errors import EngineError

STEP_SAMPLES: Final = SAMPLE_RATE_HZ // 2
"""Canonical lengths are multiples of this."""

MIN_SAMPLES: Final = SAMPLE_RATE_HZ
"""Shorter stretches are padded to a second; padding to 0.5 s or 2 s invents more (docs/engine.md)."""

MAX_SAMPLES: Final = 30 * SAMPLE_RATE_HZ

TOKENS_PER_SECOND: Final = 6.5
"""The most tokens that speech has in a second; a text that needs more has lost its place in the audio."""


class MoonshineRecognizer(Recognizer):
    """Two sessions over graphs made from the shipped ones; several threads may call it at once."""

    name = MOONSHINE_TINY_EN.name
    max_samples = MAX_SAMPLES

    def __init__(
        self, encoder: ort.InferenceSession, decoder: ort.InferenceSession, tokenizer: Tokenizer, provider: str
    ) -> None:
        self.version = f"{MOONSHINE_TINY_EN.fingerprint}-r{REWRITE_VERSION}-{provider}"
        self._encoder = encoder
        self._decoder = GreedyDecoder(decoder)
        self._tokenizer = tokenizer
        # Products in float32 take other kernels for other numbers of rows, and round differently.
        self._takes_drafts = provider == "cpu"

    @classmethod
    def load(cls, settings: EngineSettings) -> "MoonshineRecognizer":
        """A third of a second; the first time on a machine a second more. Raises ModelMissing and ProviderMissing."""
        files = MoonshineFiles()
        # Bytes were measured on the CPU alone, for speed and for independence of the batch.
        weights = files.byte_weights() if settings.provider == "cpu" else Weights.FLOAT32
        encoder = make_session(files.encoder(weights), settings)
        decoder = make_session(files.decoder(weights), settings)
        return cls(encoder, decoder, files.tokenizer(), settings.provider)

    def canonical_samples(self, samples: int) -> int:
        """The next multiple of half a second, at least MIN_SAMPLES. Raises ValueError above ``max_samples``."""
        if samples > self.max_samples:
            raise ValueError(f"{samples} samples are more than the {self.max_samples} of {self.name}; cut the segment")
        return max(MIN_SAMPLES, -(-samples // STEP_SAMPLES) * STEP_SAMPLES)

    def recognize(self, batch: Sequence[Pcm], drafts: Sequence[Sequence[int]] = ()) -> list[Hypothesis]:
        """One hypothesis a stretch: each (samples,), float32 in [-1, 1], 16 kHz. Raises EngineError and ValueError."""
        texts = [Hypothesis("") for _ in batch]
        loud = [row for row, audio in enumerate(batch) if is_audible(audio)]
        lengths = {self.canonical_samples(len(audio)) for audio in batch}
        if len(lengths) > 1:
            raise ValueError(f"a batch must share one canonical length, not {sorted(lengths)} samples")
        if loud:
            expected = [drafts[row] for row in loud] if drafts and self._takes_drafts else []
            spoken = self._spoken(_padded([batch[row] for row in loud], lengths.pop()), expected)
            for row, tokens in zip(loud, spoken, strict=True):
                texts[row] = self._hypothesis(tokens)
        return texts

    def warm_up(self) -> None:
        """A second of noise, alone and as two: after it nothing is slower than ever after (docs/engine.md)."""
        noise = np.random.default_rng(0).normal(0, 0.01, MIN_SAMPLES).astype(np.float32)
        for rows in (1, 2):
            self.recognize([noise] * rows)

    def _spoken(self, audio: NDArray[np.float32], drafts: Sequence[Sequence[int]]) -> list[Spoken]:
        """``audio``: (rows, samples)."""
        names = cache_names("cross")
        try:
            cross = self._encoder.run(names, {"input_values": audio})
            limit = int(audio.shape[1] / SAMPLE_RATE_HZ * TOKENS_PER_SECOND)
            return self._decoder.decode(dict(zip(names, cross, strict=True)), limit, drafts)
        except Exception as exc:  # onnxruntime raises its own classes, all directly below Exception
            raise EngineError(f"{self.name} failed on {len(audio)} x {audio.shape[1]} samples: {exc}") from exc

    def _hypothesis(self, spoken: Spoken) -> Hypothesis:
        words = words_of(self._tokenizer, spoken.tokens, spoken.probabilities)
        text = " ".join(word.text for word in words)
        tokens = tuple(spoken.tokens)
        if is_invented(text, spoken.probabilities):
            return Hypothesis("", tokens=tokens)
        return Hypothesis(text, words, tokens)


def _padded(batch: Sequence[Pcm], samples: int) -> NDArray[np.float32]:
    """The stretches as rows, silence after them: (rows, samples)."""
    rows = np.zeros((len(batch), samples), np.float32)
    for row, audio in zip(rows, batch, strict=True):
        row[: len(audio)] = audio
    return rows
