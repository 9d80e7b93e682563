"""Requests that wait for their answer, as the inference operator keeps them in Flink's state."""

from typing import Any, Final

from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.snapshots import UNVERSIONED, SnapshotFormat
from pipeline.domain.types import InferenceRequest
from pipeline.engines.retries import NEVER_TRIED, Tries


def _with_tries(request: Any) -> dict[str, Any]:
    """Before there were versions, the request was all there was."""
    return {"request": request, "tries": to_plain(NEVER_TRIED)}


FORMAT: Final = SnapshotFormat("the requests that wait for the engine", UNVERSIONED, (_with_tries,))


def stored(request: InferenceRequest, tries: Tries = NEVER_TRIED) -> dict[str, Any]:
    """Plain data; what became of the request so far is kept too, so that a poison is given up across restarts."""
    return {"version": FORMAT.version, "request": to_plain(request), "tries": to_plain(tries)}


def restored(saved: Any) -> tuple[InferenceRequest, Tries]:
    """What ``stored`` made plain, in this release or an earlier one. Raises UnknownSnapshot."""
    plain = FORMAT.upgraded(saved)
    return from_plain(InferenceRequest, plain["request"]), from_plain(Tries, plain["tries"])


def request_id(request: InferenceRequest) -> str:
    """What tells it from all others."""
    return f"{request.session_id}/{request.channel}/{request.segment}/{request.revision}"
