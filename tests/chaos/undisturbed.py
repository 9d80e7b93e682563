"""What sessions would have said if nothing had happened: the same chunks, recognised in this process."""

from collections.abc import Iterable, Iterator
from functools import cache

from pipeline.client.sessions import wall_ms
from pipeline.domain.types import AudioChunk, Transcript
from pipeline.engines.base import EngineSettings
from pipeline.errors import RejectedRecord
from pipeline.inprocess import InProcessPipeline
from tests.chaos.speech import Stream

Transcripts = tuple[Transcript, ...]


def undisturbed(streams: Iterable[Stream]) -> tuple[Transcripts, ...]:
    """The finals and the end of each session; chunks that cannot be used are passed over, as the job does."""
    return tuple(tuple(transcript for chunk in stream for transcript in _fed(chunk)) for stream in streams)


def _fed(chunk: AudioChunk) -> Iterator[Transcript]:
    try:
        yield from _pipeline().feed(chunk)
    except RejectedRecord:
        return


@cache
def _pipeline() -> InProcessPipeline:
    """Loaded once: the model takes longer than many sessions."""
    return InProcessPipeline.load(EngineSettings(), wall_ms, partials=False)
