"""Sessions of every sort come and go, and nothing of them stays: no keyed state, no timer, no entry in a dictionary."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from pipeline.codecs.avro import decode_transcript
from pipeline.domain.types import Hypothesis, InferenceRequest, Received, Transcript, TranscriptKind
from pipeline.engines.results import recognized
from pipeline.flink.hops import packed
from pipeline.flink.outputs import FINALS, MARKERS
from pipeline.flink.session_function import SessionFunction
from pipeline.flink.settings import JobSettings
from pipeline.flink.transcript_function import TranscriptFunction
from pipeline.testing import ManualClock, ScriptedRecognizer
from tests.domain.helpers import BROKEN, PORTS, STARTED_AT_MS, chunks_of, received, talk
from tests.flink.harness import KeyedState, Operator

BLIP = talk("speech 100").tobytes()
ENGINE = ScriptedRecognizer()


class Job:
    """Sessions and transcripts, one after the other, with an engine between them that answers at once."""

    def __init__(self) -> None:
        self.clock = ManualClock(STARTED_AT_MS)
        self.states = KeyedState(), KeyedState()
        self.finals: list[Transcript] = []
        self.restart()

    def restart(self) -> None:
        """Both operators anew, from their state."""
        sessions = SessionFunction(JobSettings(), lambda _: PORTS, self.clock)
        self.operators = (
            Operator(sessions, self.states[0]),
            Operator(TranscriptFunction(JobSettings(), self.clock), self.states[1]),
        )

    def take(self, *items: Received) -> None:
        for item in items:
            self._pass_on(self.operators[0].send(item.chunk.session_id, packed(item)))

    def wait(self, seconds: int) -> None:
        """A second at a time, as in a job that is awake."""
        for _ in range(seconds):
            self.clock.advance(1_000)
            self._pass_on(self.operators[0].ring_until(self.clock.now_ms))
            self.operators[1].ring_until(self.clock.now_ms)

    def left(self) -> list[Any]:
        """Whatever there still is of any session."""
        kept = [[state.values, state.timers] for state in self.states]
        return [*(part for parts in kept for part in parts if part), *(each.remembers() for each in self.operators)]

    def _pass_on(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            if isinstance(output, InferenceRequest):
                self._tell(recognized(output, Hypothesis("hello"), ENGINE, self.clock.now_ms, self.clock.now_ms))
            elif output[0] == MARKERS:
                self._tell(output[1])

    def _tell(self, event: Any) -> None:
        outputs = self.operators[1].send(event.session_id, event)
        self.finals += [decode_transcript(out[1][1]) for out in outputs if isinstance(out, tuple) and out[0] == FINALS]


def of(session_id: str, items: Iterable[Received]) -> list[Received]:
    return [replace(item, chunk=replace(item.chunk, session_id=session_id)) for item in items]


NOTHING: list[Any] = [[], []]


def ends(job: Job) -> list[str]:
    return [each.session_id for each in job.finals if each.kind is TranscriptKind.SESSION_END]


def test_ten_thousand_sessions_of_one_chunk_leave_nothing() -> None:
    vanished, ended = received(0, BLIP), received(0, BLIP, end_of_stream=True)
    poisoned, empty = received(0, BROKEN), received(0, end_of_stream=True)
    job, names = Job(), [f"session {number:04}" for number in range(10_000)]
    for name, only in zip(names, cycle([vanished, ended, poisoned, empty]), strict=False):
        job.take(*of(name, [only]))
    job.wait(130)
    assert job.left() == NOTHING
    assert sorted(ends(job)) == names


SPEECH = chunks_of(talk("speech 1500", "silence 700", "speech 400"), ends=False)
WHOLE = chunks_of(talk("speech 1500", "silence 700", "speech 400"))


def test_a_session_that_vanishes_in_mid_speech_ends_and_leaves_nothing() -> None:
    job = Job()
    job.take(*SPEECH)
    job.wait(31)
    assert [each.kind for each in job.finals] == [
        TranscriptKind.FINAL,
        TranscriptKind.FINAL,
        TranscriptKind.SESSION_END,
    ]
    job.wait(60)
    assert job.left() == NOTHING


def test_a_session_that_waits_for_a_chunk_that_never_comes_leaves_nothing() -> None:
    job = Job()
    job.take(*SPEECH[:5], *SPEECH[6:8])
    job.wait(130)
    assert (ends(job), job.left()) == (["s"], NOTHING)


def test_a_session_opened_again_after_its_end_by_silence_leaves_nothing() -> None:
    job = Job()
    job.take(*SPEECH)
    job.wait(45)
    job.take(*chunks_of(talk("speech 1500"), first_seq=len(SPEECH), ends=False))
    job.wait(45)
    job.take(received(len(SPEECH) + 15, BLIP))
    job.wait(130)
    assert (ends(job), job.left()) == (["s", "s", "s"], NOTHING)


def test_chunks_sent_again_after_the_end_leave_nothing() -> None:
    job = Job()
    job.take(*WHOLE)
    job.wait(20)
    job.take(*WHOLE)
    job.wait(130)
    assert (ends(job), job.left()) == (["s"], NOTHING)


def test_chunks_sent_again_after_the_session_was_forgotten_make_one_that_ends_too() -> None:
    job = Job()
    job.take(*WHOLE)
    job.wait(40)
    job.take(*WHOLE[3:5])
    job.wait(130)
    assert (ends(job), job.left()) == (["s", "s"], NOTHING)


@pytest.mark.parametrize("away_ms", [1_000, 20_000, 3_600_000])
@pytest.mark.parametrize("items", [SPEECH, WHOLE, WHOLE[:1]], ids=["vanished", "ended", "one chunk"])
def test_a_restart_leaves_nothing_more(items: list[Received], away_ms: int) -> None:
    job = Job()
    job.take(*items)
    job.clock.advance(away_ms)
    job.restart()
    job.wait(15)
    job.restart()
    job.wait(130)
    assert (ends(job), job.left()) == (["s"], NOTHING)
