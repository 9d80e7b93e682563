"""From a request to the engine's input, and from the engine's answer to a result."""

from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import Hypothesis, InferenceRequest, InferenceResult, Pcm
from pipeline.errors import EngineError

LONGEST_MESSAGE: Final = 500
"""Characters of an error that a result carries; what an engine raises may hold all of its input."""

_FULL_SCALE: Final = np.float32(1 / 32768)


def samples_of(request: InferenceRequest) -> Pcm:
    """The request's audio as engines take it: (samples,), float32 in [-1, 1]. Raises ValueError for half a sample."""
    return np.frombuffer(request.audio, "<i2").astype(np.float32) * _FULL_SCALE


def canonical_samples(request: InferenceRequest, engine: Recognizer) -> int:
    """The length at which the engine recognises it.

    Raises ValueError where the audio is too long for the engine, EngineError where the engine talks nonsense.
    """
    samples = len(request.audio) // 2
    canonical = engine.canonical_samples(samples)
    if not isinstance(canonical, int) or canonical < samples:
        raise EngineError(f"{engine.name} gave {canonical!r} as the canonical length of {samples} samples")
    return canonical


def recognized(
    request: InferenceRequest,
    hypothesis: Hypothesis,
    recognizer: Recognizer,
    started_at_ms: int,
    recognised_at_ms: int,
    *,
    degraded: bool = False,
) -> InferenceResult:
    """The answer to a request, without the hypothesis's tokens, which serve the engine alone.

    ``degraded`` where the recogniser is not the one that was asked for.
    """
    return InferenceResult(
        session_id=request.session_id,
        tenant=request.tenant,
        channel=request.channel,
        segment=request.segment,
        revision=request.revision,
        kind=request.kind,
        start_ms=request.start_ms,
        end_ms=request.end_ms,
        hypothesis=Hypothesis(hypothesis.text, hypothesis.words),
        language=request.language,
        model=recognizer.name,
        model_version=recognizer.version,
        times=replace(request.times, started_at_ms=started_at_ms, recognised_at_ms=recognised_at_ms),
        degraded=degraded,
    )


def failed(
    request: InferenceRequest,
    error: Exception,
    recognizer: Recognizer,
    started_at_ms: int,
    recognised_at_ms: int,
    *,
    degraded: bool = False,
) -> InferenceResult:
    """The answer to a request that no text could be had for: an empty one that says why."""
    empty = recognized(request, Hypothesis(""), recognizer, started_at_ms, recognised_at_ms, degraded=degraded)
    message = f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE]
    return replace(empty, error=message.encode(errors="replace").decode())
