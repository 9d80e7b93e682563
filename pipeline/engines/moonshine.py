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
from pipeline.engines.catalog import MOONSHINE_TINY_EN, locate
from pipeline.engines.greedy import GreedyDecoder, Spoken
from pipeline.engines.guard import is_invented
from pipeline.engines.moonshine_graph import REWRITE_VERSION, cache_names, decoder_graph, encoder_graph
from pipeline.engines.moonshine_weights import Shipped
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

_QUIET: Final = 1e-4
"""Below three steps of 16-bit audio nothing can be said, and the model would invent something."""


class MoonshineRecognizer(Recognizer):
    """Two sessions over graphs made in memory; several threads may call it at once."""

    name = MOONSHINE_TINY_EN.name
    max_samples = MAX_SAMPLES

    def __init__(
        self, encoder: ort.InferenceSession, decoder: ort.InferenceSession, tokenizer: Tokenizer, provider: str
    ) -> None:
        self.version = f"{MOONSHINE_TINY_EN.fingerprint}-r{REWRITE_VERSION}-{provider}"
        self._encoder = encoder
        self._decoder = GreedyDecoder(decoder)
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, settings: EngineSettings) -> "MoonshineRecognizer":
        """Finds the files and makes the graphs, about a second. Raises ModelMissing and ProviderMissing."""
        files = locate(MOONSHINE_TINY_EN)
        shipped = Shipped.read(files["decoder_model_merged.ort"])
        # Weights in 8 bits were measured on the CPU alone, for speed and for independence of the batch.
        decoder = decoder_graph(shipped, bytewise=settings.provider == "cpu")
        encoder = encoder_graph(Shipped.read(files["encoder_model.ort"]), shipped)
        tokenizer = Tokenizer.load(files["tokenizer.bin"])
        sessions = make_session(encoder, settings), make_session(decoder, settings)
        return cls(*sessions, tokenizer, settings.provider)

    def canonical_samples(self, samples: int) -> int:
        """The next multiple of half a second, at least MIN_SAMPLES. Raises ValueError above ``max_samples``."""
        if samples > self.max_samples:
            raise ValueError(f"{samples} samples are more than the {self.max_samples} of {self.name}; cut the segment")
        return max(MIN_SAMPLES, -(-samples // STEP_SAMPLES) * STEP_SAMPLES)

    def recognize(self, batch: Sequence[Pcm]) -> list[Hypothesis]:
        """One hypothesis a stretch: each (samples,), float32 in [-1, 1], 16 kHz. Raises EngineError and ValueError."""
        texts = [Hypothesis("") for _ in batch]
        loud = [row for row, audio in enumerate(batch) if _audible(audio)]
        lengths = {self.canonical_samples(len(audio)) for audio in batch}
        if len(lengths) > 1:
            raise ValueError(f"a batch must share one canonical length, not {sorted(lengths)} samples")
        if loud:
            spoken = self._spoken(_padded([batch[row] for row in loud], lengths.pop()))
            for row, tokens in zip(loud, spoken, strict=True):
                texts[row] = self._hypothesis(tokens)
        return texts

    def warm_up(self) -> None:
        """Runs short and long stretches, alone and together."""
        noise = np.random.default_rng(0).normal(0, 0.01, 5 * SAMPLE_RATE_HZ).astype(np.float32)
        for samples, rows in ((MIN_SAMPLES, 1), (MIN_SAMPLES, 8), (len(noise), 1), (len(noise), 4)):
            self.recognize([noise[:samples]] * rows)

    def _spoken(self, audio: NDArray[np.float32]) -> list[Spoken]:
        """``audio``: (rows, samples)."""
        mask = np.ones(audio.shape, np.int64)
        names = cache_names("cross")
        try:
            cross = self._encoder.run(names, {"input_values": audio, "attention_mask": mask})
            limit = int(audio.shape[1] / SAMPLE_RATE_HZ * TOKENS_PER_SECOND)
            return self._decoder.decode(dict(zip(names, cross, strict=True)), limit)
        except Exception as exc:  # onnxruntime raises its own classes, all directly below Exception
            raise EngineError(f"{self.name} failed on {len(audio)} x {audio.shape[1]} samples: {exc}") from exc

    def _hypothesis(self, spoken: Spoken) -> Hypothesis:
        words = words_of(self._tokenizer, spoken.tokens, spoken.probabilities)
        text = " ".join(word.text for word in words)
        return Hypothesis("") if is_invented(text, spoken.probabilities) else Hypothesis(text, words)


def _audible(audio: Pcm) -> bool:
    return len(audio) > 0 and float(np.max(np.abs(audio))) > _QUIET


def _padded(batch: Sequence[Pcm], samples: int) -> NDArray[np.float32]:
    """The stretches as rows, silence after them: (rows, samples)."""
    rows = np.zeros((len(batch), samples), np.float32)
    for row, audio in zip(rows, batch, strict=True):
        row[: len(audio)] = audio
    return rows
