"""Requests with everything but the point of a test filled in."""

import numpy as np

from pipeline.domain.types import SAMPLES_PER_MS, InferenceRequest, RequestKind, StageTimes


def request(
    kind: RequestKind = RequestKind.FINAL,
    *,
    session: str = "s",
    channel: int = 0,
    segment: int = 0,
    revision: int = 0,
    audio_ms: int = 400,
    at_ms: int = 0,
    level: int = 1000,
) -> InferenceRequest:
    """A request made at ``at_ms`` for ``audio_ms`` of audio whose samples are all ``level``."""
    return InferenceRequest(
        session_id=session,
        tenant="t",
        channel=channel,
        segment=segment,
        revision=revision,
        kind=kind,
        start_ms=0,
        end_ms=audio_ms,
        audio=np.full(audio_ms * SAMPLES_PER_MS, level, "<i2").tobytes(),
        language=None,
        times=StageTimes(requested_at_ms=at_ms),
    )
