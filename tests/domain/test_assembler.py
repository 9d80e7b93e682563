"""From the results of a session's requests to the transcripts its consumers read."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.assembler import Assembler
from pipeline.domain.types import (
    Hypothesis,
    InferenceResult,
    RequestKind,
    SegmentClosed,
    SessionEnded,
    StageTimes,
    Transcript,
    TranscriptKind,
    Word,
)
from tests.domain.helpers import stored

NOW_MS = 9_000
Event = InferenceResult | SegmentClosed | SessionEnded
PARTIAL, EARLY_FINAL, FINAL = RequestKind.PARTIAL, RequestKind.EARLY_FINAL, RequestKind.FINAL


def result(
    kind: RequestKind, revision: int, text: str = "", segment: int = 0, channel: int = 0, error: str | None = None
) -> InferenceResult:
    return InferenceResult(
        session_id="s",
        tenant="acme",
        channel=channel,
        segment=segment,
        revision=revision,
        kind=kind,
        start_ms=1_000,
        end_ms=2_000,
        hypothesis=Hypothesis(text, tuple(Word(word) for word in text.split())),
        language="en",
        model="parrot",
        model_version="1",
        times=StageTimes(requested_at_ms=8_000, recognised_at_ms=8_500),
        error=error,
    )


def closed(revision: int, segment: int = 0, channel: int = 0) -> SegmentClosed:
    return SegmentClosed("s", "acme", channel, segment, revision, 900, 2_100, 40, 3, 70, 90, 8_700)


def end(segments: int = 1) -> SessionEnded:
    return SessionEnded("s", "acme", segments, 5_000, 40, 3, 60, 99, 8_900)


def taken(assembler: Assembler, *events: Event) -> list[Transcript]:
    """Everything that goes out for ``events``."""
    return [transcript for event in events for transcript in take(assembler, event)]


def take(assembler: Assembler, event: Event) -> list[Transcript]:
    if isinstance(event, InferenceResult):
        return assembler.on_result(event, NOW_MS)
    return assembler.on_closed(event, NOW_MS)


def shown(transcripts: Iterable[Transcript]) -> list[tuple[TranscriptKind, int, str]]:
    """Kind, revision and text of each."""
    return [(each.kind, each.revision, each.text) for each in transcripts]


def kinds(transcripts: Iterable[Transcript]) -> list[tuple[TranscriptKind, int]]:
    """Kind and segment of each."""
    return [(each.kind, each.segment) for each in transcripts]


def test_a_partial_goes_out_at_once() -> None:
    assert shown(taken(Assembler(), result(PARTIAL, 0, "the"))) == [(TranscriptKind.PARTIAL, 0, "the")]


def test_partials_tell_how_much_of_them_is_stable() -> None:
    partials = taken(Assembler(), result(PARTIAL, 0, "the cat sat"), result(PARTIAL, 1, "the cat sat on"))
    assert [each.stable_chars for each in partials] == [0, len("the cat")]


def test_a_late_partial_is_dropped() -> None:
    partials = taken(Assembler(), result(PARTIAL, 2, "the cat"), result(PARTIAL, 1, "the"))
    assert shown(partials) == [(TranscriptKind.PARTIAL, 2, "the cat")]


def test_a_partial_that_failed_shows_nothing() -> None:
    assert taken(Assembler(), result(PARTIAL, 0, error="EngineError")) == []


def test_a_final_waits_for_the_end_of_its_segment() -> None:
    assembler = Assembler()
    assert taken(assembler, result(FINAL, 0, "hello")) == []
    assert shown(taken(assembler, closed(0))) == [(TranscriptKind.FINAL, 1, "hello")]


def test_the_end_of_a_segment_waits_for_its_final() -> None:
    assembler = Assembler()
    assert taken(assembler, closed(0)) == []
    assert shown(taken(assembler, result(FINAL, 0, "hello"))) == [(TranscriptKind.FINAL, 1, "hello")]


def test_an_early_final_is_shown_as_a_partial_and_confirmed_by_the_end() -> None:
    transcripts = taken(Assembler(), result(EARLY_FINAL, 1, "hello"), closed(1))
    assert shown(transcripts) == [(TranscriptKind.PARTIAL, 1, "hello"), (TranscriptKind.FINAL, 2, "hello")]


def test_a_final_never_has_the_number_of_a_partial_that_said_something_else() -> None:
    *_, early, final = taken(
        Assembler(),
        result(PARTIAL, 0, "the cat sat"),
        result(PARTIAL, 1, "the cat sat"),
        result(EARLY_FINAL, 2, "the bat sat"),
        closed(2),
    )
    assert (early.text, final.text) == ("the cat sat", "the bat sat")
    assert early.revision < final.revision


def test_an_early_final_that_comes_after_the_end_is_the_final() -> None:
    transcripts = taken(Assembler(), closed(1), result(EARLY_FINAL, 1, "hello"))
    assert shown(transcripts) == [(TranscriptKind.FINAL, 2, "hello")]


def test_a_discarded_early_final_is_only_ever_a_partial() -> None:
    transcripts = taken(Assembler(), result(EARLY_FINAL, 0, "hello"), result(FINAL, 2, "hello there"), closed(2))
    assert shown(transcripts) == [(TranscriptKind.PARTIAL, 0, "hello"), (TranscriptKind.FINAL, 3, "hello there")]


def test_a_discarded_early_final_that_comes_late_is_dropped() -> None:
    transcripts = taken(Assembler(), closed(2), result(EARLY_FINAL, 0, "hello"), result(FINAL, 2, "hello there"))
    assert shown(transcripts) == [(TranscriptKind.FINAL, 3, "hello there")]


def test_a_discarded_early_final_does_not_displace_the_final_that_overtook_it() -> None:
    transcripts = taken(Assembler(), result(FINAL, 2, "hello there"), result(EARLY_FINAL, 0, "hello"), closed(2))
    assert shown(transcripts)[-1] == (TranscriptKind.FINAL, 3, "hello there")


def test_a_partial_that_comes_after_the_end_is_dropped() -> None:
    transcripts = taken(Assembler(), closed(2), result(PARTIAL, 1, "hell"), result(FINAL, 2, "hello"))
    assert shown(transcripts) == [(TranscriptKind.FINAL, 3, "hello")]


def test_nothing_of_a_segment_goes_out_after_its_final() -> None:
    assembler = Assembler()
    taken(assembler, result(FINAL, 2, "hello"), closed(2))
    assert taken(assembler, result(PARTIAL, 1, "hell"), result(EARLY_FINAL, 3, "hello")) == []
    assert taken(assembler, result(FINAL, 2, "hello")) == []


def test_a_final_takes_its_span_gap_and_source_from_the_end_of_its_segment() -> None:
    (final,) = taken(Assembler(), closed(0), result(FINAL, 0, "hello"))
    assert (final.start_ms, final.end_ms, final.gap_ms) == (900, 2_100, 40)
    assert (final.source_partition, final.source_first_offset, final.source_last_offset) == (3, 70, 90)


def test_a_final_is_all_stable_and_has_its_words() -> None:
    (final,) = taken(Assembler(), closed(0), result(FINAL, 0, "hello there"))
    assert final.stable_chars == len("hello there")
    assert final.words == (Word("hello"), Word("there"))


def test_a_final_is_stamped_with_every_stage() -> None:
    (final,) = taken(Assembler(), closed(0), result(FINAL, 0, "hello"))
    assert final.times == StageTimes(
        requested_at_ms=8_000, recognised_at_ms=8_500, closed_at_ms=8_700, emitted_at_ms=NOW_MS
    )


def test_a_partial_has_words_only_where_they_are_those_of_its_text() -> None:
    *_, agreed, other = taken(
        Assembler(),
        result(PARTIAL, 0, "the cat sat"),
        result(PARTIAL, 1, "the cat sat"),
        result(PARTIAL, 2, "the bat sat"),
    )
    assert (agreed.text, agreed.words) == ("the cat sat", (Word("the"), Word("cat"), Word("sat")))
    assert (other.text, other.words) == ("the cat sat", ())


def test_a_recognition_that_failed_gives_a_final_that_says_so() -> None:
    (final,) = taken(Assembler(), closed(0), result(FINAL, 0, error="EngineError: out of memory"))
    assert (final.kind, final.text, final.error) == (TranscriptKind.FINAL, "", "EngineError: out of memory")


def test_finals_go_out_in_the_order_in_which_segments_closed() -> None:
    transcripts = taken(
        Assembler(),
        closed(0, segment=0),
        closed(0, segment=1),
        result(FINAL, 0, "second", segment=1),
        result(FINAL, 0, "first", segment=0),
    )
    assert shown(transcripts) == [(TranscriptKind.FINAL, 1, "first"), (TranscriptKind.FINAL, 1, "second")]


def test_partials_of_the_next_segment_do_not_wait_for_a_final() -> None:
    transcripts = taken(Assembler(), closed(0, segment=0), result(PARTIAL, 0, "next", segment=1))
    assert kinds(transcripts) == [(TranscriptKind.PARTIAL, 1)]


def test_each_channel_has_segments_of_its_own() -> None:
    transcripts = taken(
        Assembler(),
        closed(0, channel=1),
        result(FINAL, 0, "right", channel=1),
        closed(0, channel=0),
        result(FINAL, 0, "left", channel=0),
    )
    assert [(each.channel, each.text) for each in transcripts] == [(1, "right"), (0, "left")]


def test_the_end_waits_for_all_finals() -> None:
    assembler = Assembler()
    assert taken(assembler, closed(0), end()) == []
    assert assembler.forgettable_at_ms() is None
    assert kinds(taken(assembler, result(FINAL, 0, "hello"))) == [
        (TranscriptKind.FINAL, 0),
        (TranscriptKind.SESSION_END, 1),
    ]
    assert assembler.forgettable_at_ms() == NOW_MS + 60_000


def test_the_end_tells_how_long_the_session_was_and_what_was_lost() -> None:
    (last,) = taken(Assembler(), end(segments=0))
    assert (last.segment, last.end_ms, last.gap_ms, last.text) == (0, 5_000, 40, "")
    assert (last.source_partition, last.source_first_offset, last.source_last_offset) == (3, 60, 99)


def test_stragglers_after_the_end_produce_nothing() -> None:
    assembler = Assembler()
    taken(assembler, result(FINAL, 1, "hello"), closed(1), end())
    assert taken(assembler, result(PARTIAL, 0, "hell"), result(EARLY_FINAL, 2, "hello")) == []
    assert assembler.forgettable_at_ms() == NOW_MS + 60_000


def test_a_session_that_opens_again_goes_on_with_later_segments() -> None:
    assembler = Assembler()
    taken(assembler, result(FINAL, 0, "hello"), closed(0), end())
    again = taken(assembler, closed(0, segment=1), result(FINAL, 0, "again", segment=1), end(segments=2))
    assert kinds(again) == [(TranscriptKind.FINAL, 1), (TranscriptKind.SESSION_END, 2)]


def test_the_first_partial_of_a_session_that_opens_again_takes_back_its_end() -> None:
    assembler = Assembler()
    taken(assembler, result(FINAL, 0, "hello"), closed(0), end(), result(PARTIAL, 0, "ag", segment=1))
    assert assembler.forgettable_at_ms() is None


def late(answer: InferenceResult, age_ms: int) -> InferenceResult:
    """``answer`` to what was asked so long ago."""
    return replace(answer, times=StageTimes(requested_at_ms=NOW_MS - age_ms, recognised_at_ms=NOW_MS))


LATE_MS = 4_000


def forgetful() -> Assembler:
    """One that takes answers of LATE_MS for ones that may have been forgotten."""
    return Assembler(memory_ms=2 * LATE_MS)


def test_a_partial_that_may_be_of_a_forgotten_session_is_dropped() -> None:
    assembler = forgetful()
    assert taken(assembler, late(result(PARTIAL, 0, "hell"), LATE_MS)) == []
    assert assembler.blank
    assert shown(taken(assembler, late(result(PARTIAL, 0, "hell"), LATE_MS - 1))) == [
        (TranscriptKind.PARTIAL, 0, "hell")
    ]


def test_an_early_final_that_may_be_of_a_forgotten_session_is_not_shown_but_may_become_the_final() -> None:
    assembler = forgetful()
    assert taken(assembler, late(result(EARLY_FINAL, 0, "hello"), LATE_MS)) == []
    assert shown(taken(assembler, closed(0))) == [(TranscriptKind.FINAL, 1, "hello")]


def test_an_answer_that_nothing_follows_is_forgotten_in_the_end() -> None:
    assembler = forgetful()
    taken(assembler, late(result(EARLY_FINAL, 0, "hello"), LATE_MS))
    assert assembler.forgettable_at_ms() == NOW_MS + 3_600_000


def test_an_answer_in_time_belongs_to_a_session_that_goes_on() -> None:
    assembler = forgetful()
    taken(assembler, result(EARLY_FINAL, 0, "hello"))
    assert assembler.forgettable_at_ms() is None


texts = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat"]), max_size=5).map(" ".join)


@st.composite
def stretches(draw: st.DrawFn, channel: int, segment: int) -> tuple[list[InferenceResult], SegmentClosed]:
    """The results of one segment: partials, early finals discarded, and at last a final, and its end."""
    asked = draw(st.lists(st.sampled_from([PARTIAL, EARLY_FINAL]), max_size=4))
    asked.append(draw(st.sampled_from([EARLY_FINAL, FINAL])))
    results = [
        result(kind, revision, draw(texts), segment, channel, draw(st.sampled_from([None, None, "EngineError"])))
        for revision, kind in enumerate(asked)
    ]
    return results, closed(len(asked) - 1, segment, channel)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    """A session's results in any order at all, its ends of segments in their own, and any way between them."""
    segments = [draw(stretches(channel, segment)) for channel in (0, 1) for segment in range(draw(st.integers(0, 3)))]
    markers: list[SegmentClosed | SessionEnded] = [marker for _, marker in segments]
    markers.append(end(len(segments)))
    results: list[InferenceResult | None] = [each for results, _ in segments for each in results]
    shuffled = draw(st.permutations(results + [None] * len(markers)))
    in_order = iter(markers)
    return [next(in_order) if each is None else each for each in shuffled]


@given(arrivals())
def test_every_segment_has_one_final_in_order_of_closing_and_the_end_is_last(events: list[Event]) -> None:
    transcripts = taken(Assembler(), *events)
    finals = [(each.channel, each.segment, each.revision) for each in transcripts if each.is_final]
    assert finals == [
        (each.channel, each.segment, each.revision + 1) for each in events if isinstance(each, SegmentClosed)
    ]
    assert [each.kind for each in transcripts].index(TranscriptKind.SESSION_END) == len(transcripts) - 1


@given(arrivals())
def test_revisions_rise_and_end_with_the_final_of_their_segment(events: list[Event]) -> None:
    by_segment: dict[tuple[int, int], list[Transcript]] = {}
    for transcript in taken(Assembler(), *events)[:-1]:
        by_segment.setdefault((transcript.channel, transcript.segment), []).append(transcript)
    for transcripts in by_segment.values():
        assert [each.is_final for each in transcripts] == [False] * (len(transcripts) - 1) + [True]
        assert all(earlier.revision < later.revision for earlier, later in pairwise(transcripts))


@given(arrivals())
def test_a_restore_at_any_point_gives_the_same_transcripts(events: list[Event]) -> None:
    undisturbed, restored = Assembler(), Assembler()
    for event in events:
        restored = Assembler.restored(stored(restored.snapshot()))  # type: ignore[arg-type]
        assert take(restored, event) == take(undisturbed, event)
    assert restored.snapshot() == undisturbed.snapshot()


def test_after_the_end_nothing_stays_but_what_was_emitted() -> None:
    assembler = Assembler()
    taken(assembler, result(PARTIAL, 0, "hell"), result(FINAL, 1, "hello"), closed(1), end())
    snapshot = assembler.snapshot()
    assert (snapshot["open"], snapshot["closing"], snapshot["emitted"]) == ([], [], {0: 0})
