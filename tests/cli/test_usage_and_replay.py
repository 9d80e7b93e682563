"""What people read of usage and of a session heard again."""

from io import StringIO

from rich.console import Console, RenderableType

from pipeline.adapters.kafka.scan import Span
from pipeline.cli.replay import highlighted, record, summary, view
from pipeline.cli.usage import table
from pipeline.client.replay import Heard, Replay, StoredSession
from pipeline.domain.types import Transcript
from pipeline.domain.usage import UsageReport, totals_of, usage_of
from tests.client.helpers import final

STORED = final(text="it was the best of times", end_ms=2_000)
HEARD = final(text="It was a best of times.", end_ms=2_000)


def drawn(shown: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=120).print(shown)
    return out.getvalue()


def found(after: Transcript, skipped: int = 0, ended: bool = True) -> Replay:
    return Replay(StoredSession("talk", (STORED,), 0, Span(0, 9), ended), Heard([after], 9, skipped))


def test_a_minute_is_a_row_with_its_waits_or_a_dash() -> None:
    report = UsageReport("acme", 0, sessions=1, audio_ms=61_500, speech_ms=40_000, finals=9)
    shown = drawn(table([usage_of("acme", 0, totals_of(report), 0)]))
    assert all(part in shown for part in ("acme", "61.5", "40.0", " 9 ", "-"))


def test_usage_of_nobody_known_is_named_so() -> None:
    assert "(unknown)" in drawn(table([usage_of("", 0, totals_of(UsageReport("", 0, dead_letters=1)), 0)]))


def test_words_that_changed_are_highlighted() -> None:
    text = highlighted(STORED.text, HEARD.text, "red")
    assert text.plain == STORED.text
    assert [text.plain[span.start : span.end] for span in text.spans if span.style == "bold red"] == ["the"]


def test_both_texts_stand_side_by_side() -> None:
    (line,) = [line for line in drawn(view(found(HEARD))).splitlines() if "best" in line]
    assert line.index(STORED.text) < line.index(HEARD.text)


def test_the_share_of_changed_words_is_told_with_what_was_left_out() -> None:
    line = drawn(summary(found(HEARD, skipped=2, ended=False)))
    assert all(part in line for part in ("1 of 6 words changed (16.7%)", "2 skipped", "end is not stored"))


def test_programs_get_both_texts_and_the_difference() -> None:
    one = record(found(HEARD))
    assert (one["words_changed"], one["words"]) == (1, 6)
    assert (one["stored"][0]["text"], one["replayed"][0]["text"]) == (STORED.text, HEARD.text)
