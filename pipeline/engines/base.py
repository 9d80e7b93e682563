"""Which engine to run, how, and the functions that load it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import onnxruntime as ort

from pipeline.config import integer
from pipeline.domain.ports import DetectorFactory, Recognizer
from pipeline.engines.naming import checked_recognizer, named
from pipeline.errors import ProviderMissing, SetupError

PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""The execution providers a user may ask for, with onnxruntime's names for them."""

MOONSHINE: Final = "moonshine"
"""The engine that runs unless another one is named (``naming.py``)."""

PRECISIONS: Final = ("float32", "int8", "float16")
"""How an engine that leaves the choice may multiply; float16 needs a GPU."""

_SILENT: Final = 3
"""onnxruntime's log level 'error': its warnings on unused initialisers say nothing to a user."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How engines run.

    ``workers`` batches run side by side, so that a final need not wait for the end of a long partial, each with
    ``threads`` threads; two of one thread do more work than one of two (docs/engine.md). ``batch_size`` is the most
    requests that share one run of the model, and ``queue_limit`` the most that wait for it.

    A request that fails is tried again, ``attempts`` times in all; a call that has not come back after
    ``call_timeout_ms``, and something for its audio, is abandoned with its engine. ``recognizer`` names the function
    that makes the engine from these settings, ``model`` the folder of the model where the engine takes one, and
    ``precision`` and ``language`` (ISO 639) are for engines that leave the choice.

    ``fallback`` and ``fallback_model`` name a second engine in the same way, which answers while the first one fails;
    that one rests for ``breaker_pause_ms`` before it is tried again (docs/models.md).
    """

    provider: str = "cpu"
    workers: int = 2
    threads: int = 1
    batch_size: int = 8
    queue_limit: int = 256
    attempts: int = 8
    call_timeout_ms: int = 10_000
    recognizer: str = MOONSHINE
    model: str | None = None
    precision: str | None = None
    language: str = "en"
    fallback: str | None = None
    fallback_model: str | None = None
    breaker_pause_ms: int = 5_000

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise SetupError(f"VOXFLOW_PROVIDER={self.provider!r} is unknown; use one of {', '.join(PROVIDERS)}")
        if self.precision not in (None, *PRECISIONS):
            raise SetupError(f"VOXFLOW_PRECISION={self.precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise SetupError(f"engine setting {name}={getattr(self, name)} must be at least 1")
        if self.fallback_model and not self.fallback:
            raise SetupError(f"VOXFLOW_FALLBACK_MODEL={self.fallback_model} is no use without VOXFLOW_FALLBACK")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "EngineSettings":
        """Reads VOXFLOW_PROVIDER, VOXFLOW_ENGINE_WORKERS, VOXFLOW_ENGINE_THREADS, VOXFLOW_BATCH_SIZE,
        VOXFLOW_QUEUE_LIMIT, VOXFLOW_ENGINE_ATTEMPTS, VOXFLOW_ENGINE_CALL_TIMEOUT_MS, VOXFLOW_RECOGNIZER,
        VOXFLOW_MODEL, VOXFLOW_PRECISION, VOXFLOW_ENGINE_LANGUAGE, VOXFLOW_FALLBACK, VOXFLOW_FALLBACK_MODEL and
        VOXFLOW_BREAKER_PAUSE_MS."""
        return cls(
            provider=environ.get("VOXFLOW_PROVIDER", "cpu"),
            workers=integer(environ, "VOXFLOW_ENGINE_WORKERS", 2),
            threads=integer(environ, "VOXFLOW_ENGINE_THREADS", 1),
            batch_size=integer(environ, "VOXFLOW_BATCH_SIZE", 8),
            queue_limit=integer(environ, "VOXFLOW_QUEUE_LIMIT", 256),
            attempts=integer(environ, "VOXFLOW_ENGINE_ATTEMPTS", 8),
            call_timeout_ms=integer(environ, "VOXFLOW_ENGINE_CALL_TIMEOUT_MS", 10_000),
            recognizer=environ.get("VOXFLOW_RECOGNIZER") or MOONSHINE,
            model=environ.get("VOXFLOW_MODEL") or None,
            precision=environ.get("VOXFLOW_PRECISION") or None,
            language=environ.get("VOXFLOW_ENGINE_LANGUAGE") or "en",
            fallback=environ.get("VOXFLOW_FALLBACK") or None,
            fallback_model=environ.get("VOXFLOW_FALLBACK_MODEL") or None,
            breaker_pause_ms=integer(environ, "VOXFLOW_BREAKER_PAUSE_MS", 5_000),
        )

    def of_fallback(self) -> "EngineSettings | None":
        """The settings to load the fallback with; None where there is none."""
        if self.fallback is None:
            return None
        return replace(self, recognizer=self.fallback, model=self.fallback_model, fallback=None, fallback_model=None)


_COUNTS: Final = ("workers", "threads", "batch_size", "queue_limit", "attempts", "call_timeout_ms", "breaker_pause_ms")


def load_recognizer(settings: EngineSettings) -> Recognizer:
    """The recogniser that the settings name, ready to run. Raises SetupError, such as ModelMissing."""
    if settings.recognizer == MOONSHINE and settings.model:
        raise SetupError(
            f"VOXFLOW_MODEL={settings.model}: the engine moonshine has its own model; set VOXFLOW_RECOGNIZER=whisper "
            "or onnx for a model of yours"
        )
    return checked_recognizer(named(settings.recognizer)(settings), settings.recognizer)


def load_detector(settings: EngineSettings) -> DetectorFactory:
    """Makes speech detectors that share one session. Raises ModelMissing."""
    from pipeline.engines.silero import SileroFactory

    return SileroFactory.load(settings)


def make_session(model: bytes | str, settings: EngineSettings) -> ort.InferenceSession:
    """A session over a serialised model or its path. Raises ProviderMissing."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    session = ort.InferenceSession(model, options, providers=_providers(settings.provider))
    # Where a provider's libraries do not load, onnxruntime goes on without it.
    if PROVIDERS[settings.provider] not in session.get_providers():
        raise _missing(settings.provider)
    return session


def _providers(name: str) -> list[tuple[str, dict[str, str]]]:
    """onnxruntime's names and options, the CPU last: it takes the operators that the first one lacks."""
    if PROVIDERS[name] not in ort.get_available_providers():
        raise _missing(name)
    cpu: tuple[str, dict[str, str]] = (PROVIDERS["cpu"], {})
    # TF32 rounds the inputs of multiplications, more than texts in batches of different sizes can bear.
    return [cpu] if name == "cpu" else [(PROVIDERS[name], {"use_tf32": "0"}), cpu]


def _missing(name: str) -> ProviderMissing:
    return ProviderMissing(
        f"VOXFLOW_PROVIDER={name}: this onnxruntime has no working {PROVIDERS[name]}; pip install 'voxflow[gpu]'"
    )
