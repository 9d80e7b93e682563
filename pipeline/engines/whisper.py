"""Whisper on CTranslate2: tiny English from an installed wheel, or any folder in CTranslate2's format.

Whisper hears 30 seconds at a time, whatever the stretch, so each call costs the same and 30 s is the only canonical
length. Stretches are run one by one: in float32 the rows of a batch move each other's scores (docs/models.md).
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.types import Hypothesis, Pcm
from pipeline.engines.alone import AloneRecognizer
from pipeline.engines.base import EngineSettings
from pipeline.engines.catalog import WHISPER_TINY_EN, locate
from pipeline.engines.guard import trimmed
from pipeline.engines.model_folder import files_in, fingerprint
from pipeline.engines.words import words_of
from pipeline.errors import ModelMissing, ProviderMissing, SetupError

FILES: Final = ("config.json", "model.bin", "tokenizer.json", "vocabulary.json|vocabulary.txt")

NO_SPEECH: Final = 0.6
"""Probability of no speech from which on a text that the model doubts is dropped..."""

DOUBTED: Final = -1.0
"""...and the mean logarithm of its tokens' probabilities below which it does. Both are the limits of Whisper's own code
("Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356, section 4.5)."""

FRAMES: Final = 3_000
"""Of 10 ms: what the encoder takes."""

MAX_TOKENS: Final = 224
"""Of a stretch: half of the decoder's 448 places, as in Whisper's own code."""

_PRECISIONS: Final = {"cpu": "int8", "cuda": "float16"}


class WhisperRecognizer(AloneRecognizer):
    """One model that several threads may call at once; CTranslate2 lets go of the interpreter's lock meanwhile."""

    def __init__(self, model: Any, tokenizer: Any, name: str, version: str) -> None:
        """``model``: faster_whisper's WhisperModel, ``tokenizer``: its Tokenizer for the language."""
        self.name = name
        self.version = version
        self._engine = model.model
        self._features = model.feature_extractor
        self._vocabulary = _Vocabulary(tokenizer)
        self._start = list(tokenizer.sot_sequence)
        self._prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]

    @classmethod
    def load(cls, settings: EngineSettings) -> "WhisperRecognizer":
        """Half a second for the tiny model. Raises ModelMissing, ProviderMissing and SetupError."""
        name, files, mark = _found(settings.model)
        precision = settings.precision or _PRECISIONS[settings.provider]
        model = _loaded(files["model.bin"].parent, precision, settings)
        tokenizer = _tokenizer(model, settings.language)
        version = f"{mark}-{precision}-{settings.provider}"
        return cls(model, tokenizer, name, version if settings.language == "en" else f"{version}-{settings.language}")

    def _canonical(self, samples: int) -> int:
        return self.max_samples

    def _heard(self, audio: Pcm) -> Hypothesis:
        encoded = self._engine.encode(_view(self._features(audio)[None, :, :FRAMES]))
        (result,) = self._engine.generate(
            encoded,
            [self._prompt],
            beam_size=1,
            max_length=len(self._prompt) + MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = trimmed(result.sequences_ids[0])
        if not tokens or (result.no_speech_prob > NO_SPEECH and result.scores[0] < DOUBTED):
            return Hypothesis("")
        return self._hypothesis_of(encoded, tokens)

    def _hypothesis_of(self, encoded: Any, tokens: list[int]) -> Hypothesis:
        """With the probabilities of the tokens, for which they go through the decoder once more, all at once."""
        (aligned,) = self._engine.align(encoded, self._start, [tokens], FRAMES)
        words = words_of(self._vocabulary, tokens, aligned.text_token_probs)
        return Hypothesis(" ".join(word.text for word in words), words)


class _Vocabulary:
    """The tokenizer as ``words_of`` asks it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def decode(self, tokens: Any) -> str:
        text: str = self._tokenizer.decode(list(tokens))
        return text.strip()

    def starts_word(self, token: int) -> bool:
        text: str = self._tokenizer.decode([token])
        return text.startswith(" ")


def _view(features: NDArray[np.float32]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(features))


def _found(folder: str | None) -> tuple[str, dict[str, Path], str]:
    """The model's name, its files, and what tells it from others."""
    if folder is None:
        return WHISPER_TINY_EN.name, locate(WHISPER_TINY_EN), WHISPER_TINY_EN.fingerprint
    files = files_in(Path(folder), FILES, "whisper")
    return Path(folder).resolve().name, files, fingerprint(files)


def _loaded(folder: Path, precision: str, settings: EngineSettings) -> Any:
    try:
        import ctranslate2
        from faster_whisper import WhisperModel
    except ModuleNotFoundError as exc:
        raise ModelMissing(f"the engine whisper needs {exc.name}; pip install 'voxflow[whisper]'") from exc
    if settings.provider == "cuda" and not ctranslate2.get_cuda_device_count():
        raise ProviderMissing("VOXFLOW_PROVIDER=cuda: CTranslate2 finds no GPU; install NVIDIA's driver and cuBLAS")
    try:
        return WhisperModel(
            str(folder),
            device=settings.provider,
            compute_type=precision,
            cpu_threads=settings.threads,
            num_workers=settings.workers,
            local_files_only=True,
        )
    except (RuntimeError, ValueError) as exc:
        raise ModelMissing(f"model {folder}: CTranslate2 cannot load it as {precision}: {exc}") from exc


def _tokenizer(model: Any, language: str) -> Any:
    from faster_whisper.tokenizer import Tokenizer

    multilingual = model.model.is_multilingual
    if not multilingual and language != "en":
        raise SetupError(f"VOXFLOW_ENGINE_LANGUAGE={language!r}: this model knows English only; set VOXFLOW_MODEL")
    try:
        return Tokenizer(model.hf_tokenizer, multilingual, task="transcribe", language=language)
    except ValueError as exc:
        raise SetupError(f"VOXFLOW_ENGINE_LANGUAGE={language!r}: {exc}") from exc
