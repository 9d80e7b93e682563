"""What the ledger tells of a request: that it is completed, or that it will be tried again."""

from dataclasses import dataclass

from pipeline.domain.types import InferenceRequest, InferenceResult
from pipeline.engines.retries import Tries


@dataclass(frozen=True, slots=True)
class Completed:
    """A request that needs no more waiting for; ``result`` is None where it was a partial that was shed."""

    request: InferenceRequest
    result: InferenceResult | None


@dataclass(frozen=True, slots=True)
class Retried:
    """A request that has failed and will be tried again."""

    request: InferenceRequest
    tries: Tries
