"""A record says by itself which document it is, and in which month's index it belongs."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.documents import UNDATED, document, document_id, month_ended_ms, month_of, stored_segment
from pipeline.domain.types import StageTimes, Transcript, Word
from tests.delivery.helpers import delivery, final

DAY_MS = 86_400_000
NOVEMBER_MS = 1_795_305_600_000
"""2026-11-22 00:00 UTC"""


def spoken(captured_at_ms: int, received_at_ms: int = NOVEMBER_MS) -> Transcript:
    return final(times=StageTimes(captured_at_ms=captured_at_ms, received_at_ms=received_at_ms))


def test_a_plain_session_id_can_be_read_in_the_documents_id() -> None:
    assert document_id("call-7.a", 1, 23) == "call-7.a:1:23"


def test_an_odd_or_long_session_id_is_hashed_to_a_short_one() -> None:
    odd = [document_id(session, 0, 0) for session in ('"\n', "a:1", "ü", "", "x" * 201)]
    assert all(one.startswith("sha256:") and len(one) < 512 for one in odd)
    assert len(set(odd)) == len(odd)


@given(st.tuples(st.text(), st.integers(0, 1), st.integers(0)), st.tuples(st.text(), st.integers(0, 1), st.integers(0)))
def test_different_segments_never_share_a_document(one: tuple[str, int, int], other: tuple[str, int, int]) -> None:
    assert (document_id(*one) == document_id(*other)) == (one == other)


def test_the_month_is_that_of_the_speech_and_not_of_its_delivery() -> None:
    assert month_of(spoken(NOVEMBER_MS - 30 * DAY_MS)) == "2026.10"
    assert month_of(spoken(NOVEMBER_MS)) == "2026.11"


def test_a_clock_that_cannot_be_right_makes_no_index_of_its_own() -> None:
    wrong = (0, -5, 1, NOVEMBER_MS + 2 * DAY_MS, NOVEMBER_MS - 400 * DAY_MS, 2**62)
    assert {month_of(spoken(captured_at_ms)) for captured_at_ms in wrong} == {UNDATED}


def test_a_month_ends_where_the_next_begins() -> None:
    assert month_ended_ms("2026.10") == NOVEMBER_MS - 21 * DAY_MS
    assert month_ended_ms("2026.12") == NOVEMBER_MS + 40 * DAY_MS
    assert month_ended_ms(UNDATED) is None


def test_what_readers_want_comes_back_from_the_document() -> None:
    words = (Word("said", 0.5, 10, 200), Word("so"))
    one = stored_segment(document(delivery(final(3, text="said so", words=words, error=None, degraded=True))))
    assert (one.text, one.segment, one.words, one.degraded, one.is_final) == ("said so", 3, words, True, True)
