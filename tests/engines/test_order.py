"""Results leave the engine in any order, failures and retries included; a session's finals do not."""

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.assembler import Assembler
from pipeline.domain.types import (
    InferenceRequest,
    InferenceResult,
    RequestKind,
    SegmentClosed,
    SessionEnded,
    Transcript,
    TranscriptKind,
)
from pipeline.engines.base import EngineSettings
from pipeline.engines.ledger import Ledger
from pipeline.engines.results import samples_of
from pipeline.errors import EngineError
from pipeline.testing import ScriptedRecognizer, spell
from tests.engines.helpers import request

SEGMENTS = 3
PATTERN = (RequestKind.PARTIAL, RequestKind.EARLY_FINAL, RequestKind.PARTIAL, RequestKind.EARLY_FINAL)
"""The requests of each segment; the last one becomes its final."""

REQUESTS = [
    request(kind, segment=segment, revision=revision, level=100 * segment + 10 * revision + 1, audio_ms=300)
    for segment in range(SEGMENTS)
    for revision, kind in enumerate(PATTERN)
]
END = SessionEnded("s", "t", SEGMENTS, 9_000, 0, 0, 0, 0, ended_at_ms=0)
EXPECTED = [
    *((one.segment, spell(samples_of(one)).text) for one in REQUESTS if one.revision == len(PATTERN) - 1),
    (SEGMENTS, ""),
]
ENGINE = ScriptedRecognizer()


def closed(segment: int) -> SegmentClosed:
    return SegmentClosed("s", "t", 0, segment, len(PATTERN) - 1, 0, 300, 0, 0, 0, 0, closed_at_ms=0)


def answered(asked: Sequence[InferenceRequest], fails: Iterator[bool]) -> Iterator[InferenceResult]:
    """The results of an engine that fails on some of its calls, in the order in which they come."""
    ledger, now_ms = Ledger(EngineSettings(batch_size=2, attempts=99)), 0
    for one in asked:
        ledger.submit(one, ENGINE, now_ms)
    while ledger.unfinished:
        now_ms += 7
        call = ledger.next_call(ENGINE, now_ms)
        if call is not None:
            texts = [spell(samples_of(one.request)) for one in call.batch]
            ledger.settle(call, EngineError("for now") if next(fails, False) else texts, now_ms)
        yield from (done.result for done in ledger.drain(0) if done.result is not None)


@given(st.permutations(REQUESTS), st.lists(st.booleans(), max_size=40), st.lists(st.integers(0, 12), max_size=SEGMENTS))
def test_finals_come_in_their_order_with_their_texts_in_whatever_order_results_do(
    asked: list[InferenceRequest], fails: list[bool], delays: list[int]
) -> None:
    assembler, finals = Assembler(), list[tuple[int, str]]()
    markers = [*map(closed, range(SEGMENTS)), END]
    due = [*sorted(delays), *[99] * (len(markers) - len(delays))]
    for place, result in enumerate(answered(asked, iter(fails))):
        while markers and due[-len(markers)] <= place:
            finals += said(assembler.on_closed(markers.pop(0), 0))
        finals += said(assembler.on_result(result, 0))
    for marker in markers:
        finals += said(assembler.on_closed(marker, 0))
    assert finals == EXPECTED


def said(transcripts: Sequence[Transcript]) -> list[tuple[int, str]]:
    return [(each.segment, each.text) for each in transcripts if each.kind is not TranscriptKind.PARTIAL]
