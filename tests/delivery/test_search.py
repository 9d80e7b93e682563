"""Searching what was said: whatever is typed is a query, and every hit knows its moment in the recording."""

import pytest

from pipeline.config import ElasticsearchSettings
from pipeline.delivery.index import IndexView
from pipeline.delivery.search import Query, Search, marks_in, time_of
from pipeline.domain.types import StageTimes, Word
from pipeline.errors import SetupError, ViewUnavailable
from tests.delivery.conftest import Found
from tests.delivery.helpers import AWKWARD_ID, NOW_MS, deliveries, final

TALE = "It was the season of Light, it was the season of Darkness"


def words_of(text: str) -> tuple[Word, ...]:
    """A word every 200 ms from 5 s on."""
    return tuple(Word(word, 0.9, 5000 + 200 * n, 5200 + 200 * n) for n, word in enumerate(text.split()))


def test_marks_are_places_in_the_text_without_them() -> None:
    assert marks_in("a \ue000bc\ue001 d \ue000e\ue001") == ((2, 4), (7, 8))
    assert marks_in("") == ()


def test_a_place_in_the_text_has_the_time_of_its_word() -> None:
    segment = final(text=TALE, words=words_of(TALE))
    assert time_of(segment, TALE.index("season")) == 5600
    assert time_of(segment, TALE.index("Darkness")) == 5000 + 200 * 11
    assert time_of(final(text=TALE), 3) is None


@pytest.mark.parametrize("token", ["", "%%%", "abc", "e30"])
def test_a_place_that_no_page_ended_with_is_named(token: str) -> None:
    search = Search(ElasticsearchSettings(("http://localhost:9",)))
    with pytest.raises(SetupError, match="no place"):
        search.find(Query("light", after=token))


def test_an_index_that_does_not_answer_is_named_with_the_cure() -> None:
    search = Search(ElasticsearchSettings(("http://user:secret@localhost:9",)))
    with pytest.raises(ViewUnavailable, match="localhost:9.*voxflow up") as error:
        search.find(Query("light"))
    assert "secret" not in str(error.value)


@pytest.mark.e2e
class TestOnARealNode:
    """What the index makes of queries."""

    def test_words_are_found_in_any_form_and_quoted_ones_as_they_stand(self, index: IndexView, found: Found) -> None:
        index.write(deliveries(final(0, text=TALE), final(1, text="The seasons change")))
        assert found.page("seasons").total == 2
        assert [hit.segment.segment for hit in found.page('"seasons"').hits] == [1]
        assert found.page('"season of light"').total == 1
        assert found.page('"light season"').total == 0

    def test_all_words_must_be_there_unless_told_otherwise(self, index: IndexView, found: Found) -> None:
        index.write(deliveries(final(0, text=TALE), final(1, text="Light comes")))
        assert found.page("light darkness").total == 1
        assert found.page("comes | darkness").total == 2
        assert found.page("light -darkness").total == 1
        assert found.page("dark*").total == 1
        assert found.page("darkne*").total == 1
        assert found.page("lihgt~1 darknes~1").total == 1

    def test_small_words_count_only_where_they_are_quoted(self, index: IndexView, found: Found) -> None:
        index.write(deliveries(final(0, text=TALE), final(1, text="To be or not to be")))
        assert found.page("the seasons of a light").total == 1
        assert found.page('"season at light"').total == 0
        assert found.page('"to be or not to be"').total == 1

    @pytest.mark.parametrize(
        "words",
        [
            "(((",
            '"',
            '"unbalanced',
            "~~~ || && -",
            "+|-",
            "\\",
            "* *",
            "a:b",
            "text:light^9",
            "]{[",
            "\n\0",
            "~2",
            "é" * 900,
        ],
    )
    def test_whatever_is_typed_is_a_query(self, words: str, index: IndexView, found: Found) -> None:
        index.write(deliveries(final(0, text=TALE)))
        assert found.page(words).total in (0, 1)

    def test_a_query_of_ten_thousand_words_is_named(self, found: Found, index: IndexView) -> None:
        with pytest.raises(SetupError, match="ask for less"):
            found.page(" ".join(f"word{number}" for number in range(10_000)))

    def test_a_hit_has_the_words_found_and_the_time_of_the_first(self, index: IndexView, found: Found) -> None:
        index.write(deliveries(final(4, text=TALE, words=words_of(TALE))))
        (hit,) = found.page("season").hits
        assert [TALE[begin:end] for begin, end in hit.marks] == ["season", "season"]
        assert hit.at_ms == 5600
        assert hit.segment.start_ms == 4000
        assert hit.captured_at_ms == NOW_MS + 5000

    def test_without_times_of_words_a_hit_has_that_of_its_segment(self, index: IndexView, found: Found) -> None:
        index.write(deliveries(final(4, text=TALE)))
        assert found.page("light").hits[0].at_ms == 4000

    def test_hits_are_those_of_the_tenant_the_session_and_the_time(self, index: IndexView, found: Found) -> None:
        mine, odd = final(0, text=TALE, tenant="mine"), final(1, text=TALE, session_id=AWKWARD_ID)
        later = final(2, text=TALE, times=StageTimes(captured_at_ms=NOW_MS + 60_000, received_at_ms=NOW_MS + 60_000))
        index.write(deliveries(mine, odd, later))
        assert [hit.segment.segment for hit in found.page("light", tenant="mine").hits] == [0]
        assert [hit.segment.segment for hit in found.page("light", session_id=AWKWARD_ID).hits] == [1]
        assert [hit.segment.segment for hit in found.page("light", since_ms=NOW_MS + 60_000).hits] == [2]
        assert found.page("light", until_ms=NOW_MS + 60_000).total == 2

    @pytest.mark.parametrize("order", ["best", "newest", "oldest"])
    def test_pages_follow_one_another_without_gap_or_repeat(self, order: str, index: IndexView, found: Found) -> None:
        index.write(deliveries(*(final(number, text="light " * (number % 3 + 1)) for number in range(25))))
        seen, after = [], None
        for expected in (10, 10, 5):
            page = found.page("light", after=after, order=order)
            assert (len(page.hits), page.total) == (expected, 25)
            seen += [hit.segment.segment for hit in page.hits]
            after = page.after
        assert after is None
        assert sorted(seen) == list(range(25))
        if order != "best":
            assert seen == sorted(seen, reverse=order == "newest")

    def test_a_text_of_a_megabyte_is_found_and_marked(self, index: IndexView, found: Found) -> None:
        text = "word " * 50 + "needle " + "word " * 200_000
        index.write(deliveries(final(0, text=text), final(1, text="x" * 1_000_000)))
        (hit,) = found.page("needle").hits
        assert hit.segment.text[slice(*hit.marks[0])] == "needle"

    def test_a_session_longer_than_a_request_comes_back_whole(self, index: IndexView, found: Found) -> None:
        index.write(deliveries(*(final(number) for number in range(2_300))))
        assert [one.segment for one in found.finals()] == list(range(2_300))

    def test_an_index_that_is_not_there_yet_holds_nothing(self, found: Found) -> None:
        assert found.page("light").total == 0
        assert found.finals() == ()
