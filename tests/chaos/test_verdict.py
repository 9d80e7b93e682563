"""The comparison calls good only what is identical."""

from dataclasses import replace

import pytest

from pipeline.domain.types import Transcript, TranscriptKind
from tests.chaos.verdict import Verdict, longest_silence_s, verdict
from tests.client.helpers import final

PUBLISHED_MS = 3_000


def ended(duration_ms: int = PUBLISHED_MS, gap_ms: int = 0) -> Transcript:
    return final(kind=TranscriptKind.SESSION_END, end_ms=duration_ms, gap_ms=gap_ms)


def two_finals() -> list[Transcript]:
    return [final(segment=0, revision=4), final(segment=1, revision=7, text="and so on", start_ms=1500, end_ms=2800)]


def judged(*records: Transcript) -> Verdict:
    return verdict([*two_finals(), ended()], records, PUBLISHED_MS)


def test_the_same_finals_are_identical() -> None:
    assert judged(*two_finals(), ended()) == Verdict(expected=2, identical=2)


def test_the_session_may_have_another_name() -> None:
    assert judged(*(replace(each, session_id="t") for each in two_finals()), ended()).identical == 2


def test_a_segment_without_a_final_is_lost() -> None:
    assert judged(two_finals()[0], ended()) == Verdict(expected=2, identical=1, lost=1)


@pytest.mark.parametrize(
    "difference", [{"text": "other words"}, {"revision": 5}, {"start_ms": 1}, {"end_ms": 1001}, {"error": "no engine"}]
)
def test_a_final_that_differs_in_anything_is_changed(difference: dict[str, object]) -> None:
    first = {"segment": 0, "revision": 4} | difference
    assert judged(final(**first), two_finals()[1], ended()) == Verdict(expected=2, identical=1, changed=1)


def test_a_segment_that_nobody_spoke_is_a_change() -> None:
    assert judged(*two_finals(), final(segment=2), ended()) == Verdict(expected=2, identical=2, changed=1)


def test_repeats_of_a_record_are_counted_and_harmless() -> None:
    found = judged(*two_finals(), *two_finals(), ended(), ended())
    assert found == Verdict(expected=2, identical=2, repeated=3)
    assert found.is_clean


def test_a_repeat_that_says_something_else_is_a_change() -> None:
    assert judged(*two_finals(), final(segment=0, revision=4, text="other words"), ended()).changed == 1


def test_two_finals_of_one_segment_are_doubled_and_not_the_one_expected() -> None:
    found = judged(*two_finals(), final(segment=0, revision=5), ended())
    assert found == Verdict(expected=2, identical=1, doubled=1, changed=1, repeated=0)


def test_audio_that_was_given_and_not_heard_is_lost() -> None:
    assert judged(*two_finals(), ended(duration_ms=2_900)).audio_lost_ms == 100


def test_a_gap_is_no_audio() -> None:
    assert judged(*two_finals(), ended(duration_ms=3_000, gap_ms=200)).audio_lost_ms == 200


def test_a_session_that_never_ended_has_heard_nothing() -> None:
    assert judged(*two_finals()).audio_lost_ms == PUBLISHED_MS


@pytest.mark.parametrize("fault", [{"lost": 1}, {"doubled": 1}, {"changed": 1}, {"audio_lost_ms": 1}])
def test_nothing_but_repeats_is_forgiven(fault: dict[str, int]) -> None:
    assert Verdict(expected=2, identical=2, repeated=9).is_clean
    assert not Verdict(**fault).is_clean


def test_verdicts_of_sessions_add_up() -> None:
    assert Verdict(expected=2, lost=1) + Verdict(expected=3, repeated=4) == Verdict(expected=5, lost=1, repeated=4)


def test_the_longest_silence_is_looked_for_from_the_fault_on_and_not_only_after_it() -> None:
    assert longest_silence_s(10.0, [1.0, 10.5, 11.0, 18.5, 19.0]) == 7.5
    assert longest_silence_s(10.0, [1.0, 14.0, 15.0]) == 4.0


def test_without_arrivals_there_is_nothing_to_measure() -> None:
    assert longest_silence_s(10.0, [1.0]) == 0.0
