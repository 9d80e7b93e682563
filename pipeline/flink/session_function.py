"""The keyed operator that holds every session: Flink state around ``pipeline.domain.session``.

State of a session: one value, the small snapshot and that of its usage, written once a chunk; and one list, the
retained audio, to which blocks are appended, so that the cost of a chunk does not grow with the open segment. Live
sessions are kept in memory as well: an operator's memory and its keyed state live and die together, so reading is
needed only after a restore.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from pyflink.common.typeinfo import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ListStateDescriptor, ValueStateDescriptor

from pipeline.codecs.decoders import make_decoder
from pipeline.domain.actions import Action, Rejected
from pipeline.domain.ports import DetectorFactory
from pipeline.domain.retained_audio import AudioBlock
from pipeline.domain.session import Ports, Session
from pipeline.domain.types import InferenceRequest, Received
from pipeline.domain.usage import UsageReport, counted_at_ms
from pipeline.domain.usage_meter import UsageMeter
from pipeline.engines.base import EngineSettings, load_detector
from pipeline.flink.clock import Clock, wall_clock_ms
from pipeline.flink.dead_letters import dead_letter
from pipeline.flink.hops import PackedChunk, unpacked
from pipeline.flink.load_board import BOARD
from pipeline.flink.outputs import DEAD_LETTERS, MARKERS, USAGE
from pipeline.flink.settings import JobSettings
from pipeline.observability.metrics import PARTIALS_WITHHELD, SESSIONS_LIVE

STALL_MS = 1_000
"""A timer that rings so late tells of a stall of the job, which says nothing about the producer's silence."""

StoredBlock = tuple[int, int, bytes, int]
"""Channel, first sample, PCM 16-bit, Kafka offset."""


def load_ports(settings: JobSettings, load: Callable[[EngineSettings], DetectorFactory] = load_detector) -> Ports:
    """The decoders and the speech detector that the settings ask for.

    A thread of Python's own loads the detector: onnx's native module, imported first by one of pemja's threads, which
    hold the interpreter's lock in a way of their own, waits for that lock for ever.
    """
    with ThreadPoolExecutor(1, "voxflow-load") as own_thread:
        return Ports(make_decoder, own_thread.submit(load, settings.engine).result())


def as_it_is(request: InferenceRequest) -> Any:
    """A request leaves as itself, where nobody keys it by its lane."""
    return request


class SessionFunction(KeyedProcessFunction):
    """Packed chunks in; inference requests, as ``give`` makes them, out; markers, dead letters and usage aside."""

    def __init__(
        self,
        settings: JobSettings,
        load_ports: Callable[[JobSettings], Ports] = load_ports,
        clock: Clock = wall_clock_ms,
        give: Callable[[InferenceRequest], Any] = as_it_is,
    ) -> None:
        self._settings = settings
        self._load_ports = load_ports
        self._clock = clock
        self._give = give

    def open(self, runtime_context: RuntimeContext) -> None:
        self._ports = self._load_ports(self._settings)
        self._sessions: dict[str, Session] = {}
        self._meters: dict[str, UsageMeter] = {}
        self._timers: dict[str, int] = {}
        self._behind_at_ms = 0
        self._board = BOARD
        pickled = Types.PICKLED_BYTE_ARRAY()
        self._snapshot = runtime_context.get_state(ValueStateDescriptor("session", pickled))
        self._audio = runtime_context.get_list_state(ListStateDescriptor("audio", pickled))
        metrics = runtime_context.get_metrics_group()
        self._live_count = metrics.counter(SESSIONS_LIVE)
        self._withheld_count = metrics.counter(PARTIALS_WITHHELD)

    def process_element(self, value: PackedChunk, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        item, now_ms = unpacked(value), self._clock()
        session_id = item.chunk.session_id
        self._note_lag(item, now_ms)
        session = self._live(session_id) or self._begun(session_id, item)
        actions = session.receive(item, now_ms, self._board.load(now_ms))
        meter = self._meters[session_id]
        reports = meter.hear(session, actions, self._counted_at_ms(item))
        self._store(session, meter)
        self._arm(session_id, session, ctx.timer_service())
        yield from self._carry_out(actions)
        yield from _aside(reports)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        session_id = ctx.get_current_key()
        self._timers.pop(session_id, None)
        session = self._live(session_id)
        if session is None:
            return
        now_ms = self._clock()
        session.postpone(now_ms if now_ms - timestamp > STALL_MS else self._behind_at_ms)
        actions = session.wake(now_ms)
        if session.forgettable(now_ms):
            self._forget(session_id)
            return
        if actions:
            meter = self._meters[session_id]
            reports = meter.wake(session, actions)
            self._store(session, meter)
            yield from _aside(reports)
        self._arm(session_id, session, ctx.timer_service())
        yield from self._carry_out(actions)

    def _note_lag(self, item: Received, now_ms: int) -> None:
        """While records are late, a session's own may be in Kafka still, behind those of others: it is not silent."""
        if item.stored_at_ms and now_ms - item.stored_at_ms >= self._settings.session.partial_lag_ms:
            self._behind_at_ms = now_ms

    def _live(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id) or self._restored(session_id)

    def _restored(self, session_id: str) -> Session | None:
        saved = self._snapshot.value()
        if saved is None:
            return None
        audio: dict[int, list[AudioBlock]] = defaultdict(list)
        for channel, start_sample, pcm, offset in self._audio.get() or ():
            audio[channel].append(AudioBlock(start_sample, np.frombuffer(pcm, np.int16), offset))
        session = Session.restored(self._settings.session, self._ports, saved, audio)
        session.postpone(self._clock())
        meter = UsageMeter.restored(self._settings.usage, session.tenant, saved["usage"])
        return self._remembered(session_id, session, meter)

    def _begun(self, session_id: str, first: Received) -> Session:
        session = Session(self._settings.session, self._ports, first.chunk)
        return self._remembered(session_id, session, UsageMeter(self._settings.usage, session.tenant))

    def _remembered(self, session_id: str, session: Session, meter: UsageMeter) -> Session:
        self._sessions[session_id], self._meters[session_id] = session, meter
        self._live_count.inc()
        return session

    def _counted_at_ms(self, item: Received) -> int:
        return counted_at_ms(item.chunk.captured_at_ms, item.stored_at_ms or item.at_ms, self._settings.usage)

    def _store(self, session: Session, meter: UsageMeter) -> None:
        if withheld := session.partials_withheld():
            self._withheld_count.inc(withheld)
        self._snapshot.update({**session.snapshot(), "usage": meter.snapshot()})
        journals = session.audio_journals()
        if not journals or any(journal.replaces for journal in journals):
            self._audio.update(_stored(session.audio_blocks()))
        else:
            self._audio.add_all(_stored([journal.blocks for journal in journals]))

    def _forget(self, session_id: str) -> None:
        del self._sessions[session_id], self._meters[session_id]
        self._live_count.dec()
        self._snapshot.clear()
        self._audio.clear()

    def _arm(self, session_id: str, session: Session, timers: Any) -> None:
        """Have the timer ring at the session's deadline, or before: it looks again when it rings too early."""
        deadline_ms = session.deadline_ms()
        if deadline_ms < self._timers.get(session_id, deadline_ms + 1):
            self._timers[session_id] = deadline_ms
            timers.register_processing_time_timer(deadline_ms)

    def _carry_out(self, actions: list[Action]) -> Iterator[Any]:
        for action in actions:
            match action:
                case InferenceRequest():
                    yield self._give(action)
                case Rejected(received, error):
                    session_id = received.chunk.session_id
                    letter = dead_letter(received.raw, received.source, error, session_id, self._clock())
                    yield DEAD_LETTERS, letter
                case marker:
                    yield MARKERS, marker


def _aside(reports: Iterable[UsageReport]) -> Iterator[Any]:
    return ((USAGE, report) for report in reports)


def _stored(blocks: Iterable[tuple[AudioBlock, ...]]) -> list[StoredBlock]:
    return [
        (channel, block.start_sample, block.samples.tobytes(), block.offset)
        for channel, of_channel in enumerate(blocks)
        for block in of_channel
    ]
