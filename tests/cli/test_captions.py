"""Captions: settled texts are printed once, open ones are drawn again."""

import json
from functools import reduce
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.cli.captions import Captions, caption_text, captions_view, clock, final_line, updated
from pipeline.cli.displays import JsonDisplay, LiveDisplay, PlainDisplay
from pipeline.domain.types import Transcript, Word
from tests.client.helpers import arrival, final, partial, session_end

NAMES = {"s": "talk.wav"}


def after(*transcripts: Transcript) -> Captions:
    return reduce(updated, transcripts, Captions())


def texts(captions: Captions) -> list[str]:
    return [one.text for one in captions.partials.values()]


def drawn(captions: Captions, names: dict[str, str], max_lines: int = 10) -> str:
    out = StringIO()
    Console(file=out, width=60).print(captions_view(captions, names, max_lines))
    return out.getvalue()


def test_a_newer_partial_replaces_the_older_one() -> None:
    assert texts(after(partial(text="hello"), partial(text="hello there", revision=1))) == ["hello there"]


def test_an_older_partial_that_comes_late_changes_nothing() -> None:
    assert texts(after(partial(text="new", revision=3), partial(text="old", revision=2))) == ["new"]


def test_a_final_takes_its_partial_from_the_screen() -> None:
    assert texts(after(partial(), final())) == []


def test_a_partial_after_its_final_does_not_come_back() -> None:
    assert texts(after(final(), partial(revision=9))) == []


def test_a_final_leaves_the_partial_of_the_next_segment() -> None:
    assert texts(after(partial(segment=1, text="next"), final(segment=0))) == ["next"]


def test_channels_have_their_own_partials() -> None:
    assert texts(after(partial(text="left"), partial(channel=1, text="right"))) == ["left", "right"]


def test_a_session_that_ended_is_counted_and_leaves_the_screen() -> None:
    captions = after(partial(), session_end())
    assert texts(captions) == []
    assert captions.ended == {"s"}


def test_the_stable_prefix_is_plain_and_the_tail_is_dim() -> None:
    text = caption_text(partial(text="hello there", stable_chars=6))
    assert text.plain == "hello there"
    assert [(span.start, span.end, str(span.style)) for span in text.spans] == [(6, 11, "dim italic")]


def test_the_view_holds_the_partial_and_says_that_it_listens() -> None:
    assert drawn(after(partial()), NAMES).split() == ["hello", "there", "listening"]


def test_of_many_sessions_only_so_many_are_drawn_as_fit() -> None:
    names = {str(number): f"{number}.wav" for number in range(9)}
    view = drawn(after(*(partial(session_id=one) for one in names)), names, max_lines=4)
    assert [line.split()[0] for line in view.splitlines()] == ["0.wav", "1.wav", "2.wav", "6"]
    assert "6 more speaking, 0 of 9 sessions done" in view


def test_a_final_line_tells_time_and_text() -> None:
    assert final_line(final(start_ms=72_345), NAMES) == "1:12.3  hello there"


def test_a_final_line_names_session_and_channel_where_there_are_several() -> None:
    names = {"s": "talk.wav", "t": "other.wav"}
    assert final_line(final(channel=1), names) == "talk.wav  channel 1  0:00.0  hello there"


def test_a_segment_that_failed_says_so() -> None:
    assert "[not recognised: engine down]" in final_line(final(text="", error="engine down"), NAMES)


@given(st.integers(0, 10**8))
def test_the_clock_reads_minutes_seconds_and_tenths(audio_ms: int) -> None:
    minutes, seconds = clock(audio_ms).split(":")
    assert 0 <= float(seconds) < 60
    assert int(minutes) * 600 + round(float(seconds) * 10) == audio_ms // 100


def test_in_a_pipe_only_finals_with_words_are_written() -> None:
    lines: list[str] = []
    display = PlainDisplay(lines.append, NAMES)
    for transcript in (partial(), final(), final(segment=1, text=""), session_end()):
        display.show(arrival(transcript))
    assert lines == ["0:00.0  hello there"]


def test_partials_in_a_pipe_are_marked() -> None:
    lines: list[str] = []
    PlainDisplay(lines.append, NAMES, partials=True).show(arrival(partial(text="hel")))
    assert lines == ["0:00.0  hel ..."]


def test_json_holds_one_final_a_line_with_its_words_and_waits() -> None:
    lines: list[str] = []
    display = JsonDisplay(lines.append, NAMES, start_at_ms=10_000)
    spoken = final(end_ms=1_000, words=(Word("hello", 0.9, 0, 400),))
    for transcript in (partial(), spoken, session_end()):
        display.show(arrival(transcript, 11_250))
    (record,) = map(json.loads, lines)
    assert record["file"] == "talk.wav"
    assert record["words"] == [{"text": "hello", "confidence": 0.9, "start_ms": 0, "end_ms": 400}]
    assert record["final_wait_ms"] == 250


def test_json_tells_no_waits_where_the_audio_was_not_paced() -> None:
    lines: list[str] = []
    JsonDisplay(lines.append, NAMES, start_at_ms=None).show(arrival(final()))
    assert json.loads(lines[0])["final_wait_ms"] is None


def test_a_live_display_leaves_the_finals_on_the_screen_and_nothing_else() -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=60, color_system=None)
    with LiveDisplay(console, NAMES) as display:
        for transcript in (partial(text="hel"), final(), session_end()):
            display.show(arrival(transcript))
    assert out.getvalue().count("hello there") == 1
