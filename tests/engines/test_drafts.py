"""A draft goes with the next request of its segment, is forgotten with its final, and never leaves the engine."""

from dataclasses import replace

from pipeline.domain.types import Hypothesis, InferenceRequest, RequestKind
from pipeline.engines.base import EngineSettings
from pipeline.engines.batch_queue import Waiting
from pipeline.engines.drafts import Drafts
from pipeline.engines.ledger import Ledger
from pipeline.engines.retries import Tries
from pipeline.testing import ScriptedRecognizer
from tests.engines.helpers import request

PARTIAL, EARLY, FINAL = RequestKind.PARTIAL, RequestKind.EARLY_FINAL, RequestKind.FINAL
HEARD = Hypothesis("so far", tokens=(5, 6, 7))


def waiting(asked: InferenceRequest, tries: int = 0) -> Waiting:
    return Waiting(asked, 16_000, 0, 0, 0, tries=Tries(failed=tries))


def after(kind: RequestKind, heard: Hypothesis = HEARD) -> Drafts:
    drafts = Drafts()
    drafts.learn([waiting(request(kind))], [heard])
    return drafts


def test_what_a_segment_was_heard_to_say_is_the_draft_of_its_next_request() -> None:
    for kind in (PARTIAL, EARLY):
        assert after(kind).of([waiting(request(FINAL, revision=1))]) == [(5, 6, 7)]


def test_other_segments_have_no_part_in_it() -> None:
    others = (request(segment=1), request(channel=1), request(session="other"))
    assert after(PARTIAL).of([waiting(one) for one in others]) == []


def test_in_a_batch_every_request_has_its_own_draft_or_an_empty_one() -> None:
    assert after(PARTIAL).of([waiting(request(segment=1)), waiting(request())]) == [(), (5, 6, 7)]


def test_the_latest_hypothesis_counts() -> None:
    drafts = after(PARTIAL)
    drafts.learn([waiting(request(PARTIAL))], [Hypothesis("so", tokens=(5,))])
    assert drafts.of([waiting(request())]) == [(5,)]


def test_nothing_is_kept_of_a_segment_that_has_its_final() -> None:
    drafts = after(PARTIAL)
    drafts.learn([waiting(request(FINAL))], [HEARD])
    assert len(drafts) == 0


def test_nothing_is_kept_where_the_engine_has_no_tokens() -> None:
    assert len(after(PARTIAL, Hypothesis("words alone"))) == 0


def test_a_request_that_has_failed_goes_without_a_draft() -> None:
    assert after(PARTIAL).of([waiting(request(), tries=1)]) == []


def test_the_drafts_that_nobody_asked_for_longest_are_dropped() -> None:
    drafts = Drafts(most=2)
    for segment in (0, 1, 0, 2):
        drafts.learn([waiting(request(PARTIAL, segment=segment))], [HEARD])
    assert len(drafts) == 2
    assert drafts.of([waiting(request(segment=segment)) for segment in (0, 1, 2)]) == [(5, 6, 7), (), (5, 6, 7)]


def test_a_ledger_gives_each_call_the_drafts_that_its_last_one_left() -> None:
    ledger, engine = Ledger(EngineSettings()), ScriptedRecognizer()
    given = []
    for revision, kind in enumerate((PARTIAL, PARTIAL, FINAL, FINAL)):
        ledger.submit(replace(request(kind), revision=revision), engine, 0)
        call = ledger.next_call(engine, 0)
        assert call is not None
        given.append(list(call.drafts))
        ledger.settle(call, [Hypothesis("so", tokens=(revision,))], 0)
    assert given == [[], [(0,)], [(1,)], []]
    results = [completed.result for completed in ledger.drain(0)]
    assert [result and result.hypothesis.tokens for result in results] == [()] * 4
