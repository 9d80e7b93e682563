"""A Moonshine model of the user's own: a folder as the exporters of Hugging Face write it, in float32 or quantised.

    encoder_model.onnx           input_values (1, samples) float32 -> last_hidden_state
    decoder_model_merged.onnx    one step, with a cache (merged_decoder.py)
    config.json                  decoder_start_token_id, eos_token_id
    tokenizer.json               or tokenizer.bin, as Moonshine ships it

Nothing is known of such graphs but their inputs and outputs, and in int8 one scale may be shared by a whole batch, so
stretches are run one by one (docs/models.md).
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm
from pipeline.engines.alone import AloneRecognizer
from pipeline.engines.base import EngineSettings, make_session
from pipeline.engines.guard import is_invented
from pipeline.engines.merged_decoder import MergedDecoder
from pipeline.engines.model_folder import files_in, fingerprint
from pipeline.engines.moonshine import MIN_SAMPLES, STEP_SAMPLES, TOKENS_PER_SECOND
from pipeline.engines.tokenizer import Tokenizer
from pipeline.engines.words import Vocabulary, words_of
from pipeline.errors import ModelMissing, SetupError

ENCODER: Final = "encoder_model.onnx"
DECODER: Final = "decoder_model_merged.onnx"
FILES: Final = (ENCODER, DECODER, "config.json", "tokenizer.json|tokenizer.bin")

_ENCODER_INPUTS: Final = frozenset({"input_values"})
_DECODER_INPUTS: Final = frozenset({"input_ids", "encoder_hidden_states", "use_cache_branch"})
_ENDS: Final = ("decoder_start_token_id", "eos_token_id")


class OnnxFolderRecognizer(AloneRecognizer):
    """Two sessions over the user's graphs; several threads may call it at once."""

    def __init__(
        self, encoder: ort.InferenceSession, decoder: MergedDecoder, vocabulary: Vocabulary, name: str, version: str
    ) -> None:
        self.name = name
        self.version = version
        self._encoder = encoder
        self._decoder = decoder
        self._vocabulary = vocabulary
        self._takes_mask = "attention_mask" in {one.name for one in encoder.get_inputs()}

    @classmethod
    def load(cls, settings: EngineSettings) -> "OnnxFolderRecognizer":
        """Raises ModelMissing, ProviderMissing and SetupError."""
        if settings.model is None:
            raise SetupError("VOXFLOW_RECOGNIZER=onnx needs the folder of a model: set VOXFLOW_MODEL (docs/models.md)")
        folder = Path(settings.model)
        files = files_in(folder, FILES, "onnx")
        encoder = _session(files[ENCODER], _ENCODER_INPUTS, settings)
        decoder = MergedDecoder(_session(files[DECODER], _DECODER_INPUTS, settings), *_ends(files["config.json"]))
        version = f"{fingerprint(files)}-{settings.provider}"
        return cls(encoder, decoder, _vocabulary(files), folder.resolve().name, version)

    def _canonical(self, samples: int) -> int:
        return max(MIN_SAMPLES, -(-samples // STEP_SAMPLES) * STEP_SAMPLES)

    def _heard(self, audio: Pcm) -> Hypothesis:
        mask = np.ones((1, len(audio)), np.int64)
        feed = {"input_values": audio[None]} | ({"attention_mask": mask} if self._takes_mask else {})
        (states,) = self._encoder.run(["last_hidden_state"], feed)
        spoken = self._decoder.decode(states, mask, limit=int(len(audio) / SAMPLE_RATE_HZ * TOKENS_PER_SECOND))
        words = words_of(self._vocabulary, spoken.tokens, spoken.probabilities)
        text = " ".join(word.text for word in words)
        return Hypothesis("") if is_invented(text, spoken.probabilities) else Hypothesis(text, words)


class _JsonVocabulary:
    """A tokenizer.json of Hugging Face, as ``words_of`` asks it."""

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer as JsonTokenizer
        except ModuleNotFoundError as exc:
            raise ModelMissing(f"{path} needs the package tokenizers; pip install 'voxflow[whisper]'") from exc
        self._tokenizer: Any = JsonTokenizer.from_file(str(path))

    def decode(self, tokens: Any) -> str:
        text: str = self._tokenizer.decode(list(tokens))
        return text.strip()

    def starts_word(self, token: int) -> bool:
        return str(self._tokenizer.id_to_token(token)).startswith(("\u2581", "\u0120"))


def _session(path: Path, wanted: frozenset[str], settings: EngineSettings) -> ort.InferenceSession:
    try:
        session = make_session(str(path), settings)
    except SetupError:
        raise
    except Exception as exc:  # onnxruntime raises its own classes, all directly below Exception
        raise ModelMissing(f"model file {path} cannot be read by onnxruntime {ort.__version__}: {exc}") from exc
    found = {one.name for one in session.get_inputs()}
    if not wanted <= found:
        raise ModelMissing(
            f"model file {path}: expected the inputs {', '.join(sorted(wanted))}, found {', '.join(sorted(found))}; "
            "export it as docs/models.md says"
        )
    return session


def _ends(path: Path) -> tuple[int, int]:
    """The tokens that start and end a text."""
    try:
        config = json.loads(path.read_text())
        start, end = (int(config[name]) for name in _ENDS)
    except (ValueError, KeyError, TypeError) as exc:
        raise ModelMissing(f"model file {path}: expected whole numbers for {' and '.join(_ENDS)}: {exc!r}") from exc
    return start, end


def _vocabulary(files: dict[str, Path]) -> Vocabulary:
    if "tokenizer.bin" in files:
        return Tokenizer.load(files["tokenizer.bin"])
    return _JsonVocabulary(files["tokenizer.json"])
