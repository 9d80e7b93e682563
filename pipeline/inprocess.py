"""The whole pipeline in one process: the same sessions, engine and assembler as the job, without Kafka or Flink.

The finals are word for word those of the job: segments depend on the audio alone, and texts on their segment alone.
"""

from collections.abc import Callable, Iterable, Iterator

from pipeline.codecs.decoders import make_decoder
from pipeline.codecs.validate import validate_chunk
from pipeline.domain.actions import Action, Rejected
from pipeline.domain.assembler import Assembler
from pipeline.domain.ports import Recognizer
from pipeline.domain.session import Ports, Session, SessionSettings
from pipeline.domain.types import (
    AudioChunk,
    InferenceRequest,
    InferenceResult,
    Received,
    RequestKind,
    SegmentClosed,
    SessionEnded,
    SourcePosition,
    Transcript,
)
from pipeline.engines.base import EngineSettings, load_detector, load_recognizer
from pipeline.engines.results import failed, recognized, samples_of
from pipeline.errors import EngineError

Clock = Callable[[], int]
"""Wall-clock milliseconds since 1970."""


class InProcessPipeline:
    """Any number of sessions, recognised as their chunks are fed, by the caller's thread.

    Without ``partials`` only what becomes a final is recognised, several times less work.
    """

    def __init__(
        self, ports: Ports, recognizer: Recognizer, clock: Clock, settings: SessionSettings, *, partials: bool
    ) -> None:
        self._ports = ports
        self._recognizer = recognizer
        self._clock = clock
        self._settings = settings
        self._partials = partials
        self._sessions: dict[str, Session] = {}
        self._assemblers: dict[str, Assembler] = {}
        self._candidates: dict[tuple[str, int, int], InferenceRequest] = {}

    @classmethod
    def load(cls, engine: EngineSettings, clock: Clock, *, partials: bool) -> "InProcessPipeline":
        """With the engine of the settings. Raises ModelMissing and ProviderMissing."""
        ports = Ports(make_decoder, load_detector(engine))
        return cls(ports, load_recognizer(engine), clock, SessionSettings(), partials=partials)

    def feed(self, chunk: AudioChunk) -> Iterator[Transcript]:
        """The transcripts that this chunk leads to.

        Raises RejectedRecord for a chunk that cannot be used, after what else came of it: its session can go on.
        """
        validate_chunk(chunk, 0)
        now_ms = self._clock()
        session = self._sessions.get(chunk.session_id)
        if session is None:
            session = self._sessions[chunk.session_id] = Session(self._settings, self._ports, chunk)
            self._assemblers[chunk.session_id] = Assembler()
        received = Received(chunk, b"", SourcePosition("", 0, chunk.seq), now_ms)
        actions = session.receive(received, now_ms)
        yield from self._carry_out(actions, self._assemblers[chunk.session_id])
        if session.ended:
            del self._sessions[chunk.session_id], self._assemblers[chunk.session_id]
        for action in actions:
            if isinstance(action, Rejected):
                raise action.error

    def _carry_out(self, actions: list[Action], assembler: Assembler) -> Iterator[Transcript]:
        for action in actions:
            match action:
                case InferenceRequest():
                    yield from self._on_request(action, assembler)
                case SegmentClosed():
                    yield from self._on_closed(action, assembler)
                case SessionEnded():
                    yield from assembler.on_closed(action, self._clock())

    def _on_request(self, request: InferenceRequest, assembler: Assembler) -> Iterator[Transcript]:
        if self._partials:
            yield from assembler.on_result(self._recognized(request), self._clock())
        elif request.kind is not RequestKind.PARTIAL:
            self._candidates[request.session_id, request.channel, request.segment] = request

    def _on_closed(self, marker: SegmentClosed, assembler: Assembler) -> Iterator[Transcript]:
        candidate = self._candidates.pop((marker.session_id, marker.channel, marker.segment), None)
        yield from assembler.on_closed(marker, self._clock())
        if candidate is not None:
            yield from assembler.on_result(self._recognized(candidate), self._clock())

    def _recognized(self, request: InferenceRequest) -> InferenceResult:
        started_at_ms = self._clock()
        try:
            (hypothesis,) = self._recognizer.recognize([samples_of(request)])
        except EngineError as error:
            return failed(request, error, self._recognizer, started_at_ms, self._clock())
        return recognized(request, hypothesis, self._recognizer, started_at_ms, self._clock())


def transcribe_chunks(chunks: Iterable[AudioChunk], pipeline: InProcessPipeline) -> Iterator[Transcript]:
    """Chunks of one or many sessions in, their transcripts out, as they come."""
    for chunk in chunks:
        yield from pipeline.feed(chunk)
