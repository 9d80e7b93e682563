"""Two texts of the same speech side by side."""

from pipeline.domain.comparison import changed_words, rows, text_of
from pipeline.domain.types import Transcript
from tests.client.helpers import final


def spoken(start_ms: int, end_ms: int, text: str, channel: int = 0) -> Transcript:
    return final(start_ms=start_ms, end_ms=end_ms, text=text, channel=channel)


def test_segments_of_the_same_time_share_a_row() -> None:
    before = [spoken(0, 900, "one"), spoken(1500, 2000, "two")]
    after = [spoken(20, 880, "One."), spoken(1500, 2000, "too")]
    assert [(text_of(row.before), text_of(row.after)) for row in rows(before, after)] == [
        ("one", "One."),
        ("two", "too"),
    ]


def test_segments_that_were_cut_apart_share_the_row_of_the_whole() -> None:
    (row,) = rows([spoken(0, 900, "one"), spoken(1000, 2000, "two")], [spoken(0, 2000, "one two")])
    assert (text_of(row.before), text_of(row.after)) == ("one two", "one two")


def test_a_segment_that_only_one_side_heard_has_a_row_of_its_own() -> None:
    (row,) = rows([], [spoken(0, 900, "hm")])
    assert (row.before, text_of(row.after)) == ((), "hm")


def test_channels_are_never_mixed() -> None:
    assert len(rows([spoken(0, 900, "left")], [spoken(0, 900, "right", channel=1)])) == 2


def test_words_are_marked_where_they_differ_but_not_for_case_or_punctuation() -> None:
    pieces = changed_words("It was the best, of times", "it was a best of Times.")
    assert [(piece.text, piece.changed) for piece in pieces] == [
        ("It was", False),
        ("the", True),
        ("best, of times", False),
    ]
