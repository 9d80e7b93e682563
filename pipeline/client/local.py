"""The pipeline within this process, as a transcriber: no Kafka, no Flink, the same texts."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pipeline.client.exchange import Transcriber, Transcripts
from pipeline.client.sessions import wall_ms
from pipeline.domain.types import AudioChunk
from pipeline.engines.base import EngineSettings
from pipeline.inprocess import InProcessPipeline, transcribe_chunks


@contextmanager
def local_transcriber(environ: Mapping[str, str], *, partials: bool) -> Iterator[Transcriber]:
    """Loads the engine first, so that audio only starts to play when it can be heard. Raises ModelMissing."""
    pipeline = InProcessPipeline.load(EngineSettings.from_environ(environ), wall_ms, partials=partials)

    def transcribed(chunks: Iterable[AudioChunk]) -> Transcripts:
        yield from transcribe_chunks(chunks, pipeline)

    yield transcribed
