"""The keyed operator that turns results into transcripts: Flink state around ``pipeline.domain.assembler``."""

from collections.abc import Iterator
from typing import Any

from pyflink.common import Row
from pyflink.common.typeinfo import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from pipeline.codecs.avro import encode_transcript
from pipeline.domain.assembler import Assembler
from pipeline.domain.types import InferenceResult, SegmentClosed, SessionEnded, Transcript, TranscriptKind
from pipeline.domain.usage import UsageReport, believable_wait_ms
from pipeline.flink.clock import Clock, wall_clock_ms
from pipeline.flink.outputs import FINALS, USAGE
from pipeline.flink.settings import JobSettings


class TranscriptFunction(KeyedProcessFunction):
    """Results and markers in; partials out; finals, session ends and the waits for finals aside."""

    def __init__(self, settings: JobSettings, clock: Clock = wall_clock_ms) -> None:
        self._clock = clock
        self._memory_ms = settings.transcript_linger_ms

    def open(self, runtime_context: RuntimeContext) -> None:
        self._assemblers: dict[str, Assembler] = {}
        self._snapshot = runtime_context.get_state(ValueStateDescriptor("transcripts", Types.PICKLED_BYTE_ARRAY()))

    def process_element(
        self, value: InferenceResult | SegmentClosed | SessionEnded, ctx: KeyedProcessFunction.Context
    ) -> Iterator[Any]:
        session_id = ctx.get_current_key()
        assembler = self._live(session_id) or Assembler(self._memory_ms)
        now_ms = self._clock()
        if isinstance(value, InferenceResult):
            transcripts = assembler.on_result(value, now_ms)
        else:
            transcripts = assembler.on_closed(value, now_ms)
        if assembler.blank:
            return  # an answer so late that its session is forgotten
        self._assemblers[session_id] = assembler
        self._snapshot.update(assembler.snapshot())
        self._arm(assembler, ctx.timer_service())
        for transcript in transcripts:
            yield _record(transcript)
            yield from _waited(transcript)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        session_id = ctx.get_current_key()
        assembler = self._live(session_id)
        forgettable_at_ms = assembler.forgettable_at_ms() if assembler else None
        if forgettable_at_ms is not None and timestamp >= forgettable_at_ms:
            self._snapshot.clear()
            del self._assemblers[session_id]
        yield from ()

    def _live(self, session_id: str) -> Assembler | None:
        assembler = self._assemblers.get(session_id)
        if assembler is None and (saved := self._snapshot.value()) is not None:
            assembler = self._assemblers[session_id] = Assembler.restored(saved, self._memory_ms)
        return assembler

    def _arm(self, assembler: Assembler, timers: Any) -> None:
        """Have the timer ring when the session can be forgotten. Flink keeps equal timers of a key as one."""
        forgettable_at_ms = assembler.forgettable_at_ms()
        if forgettable_at_ms is not None:
            timers.register_processing_time_timer(forgettable_at_ms)


def _record(transcript: Transcript) -> Any:
    row = Row(transcript.session_id.encode(), encode_transcript(transcript))
    return row if transcript.kind is TranscriptKind.PARTIAL else (FINALS, row)


def _waited(transcript: Transcript) -> Iterator[Any]:
    """What a final adds to its tenant's usage: how long its speaker waited. The session has counted it already."""
    times = transcript.times
    wait_ms = believable_wait_ms(times.captured_at_ms, times.emitted_at_ms) if transcript.is_final else None
    if wait_ms is not None:
        yield USAGE, UsageReport(transcript.tenant, times.captured_at_ms, wait_ms=wait_ms)
