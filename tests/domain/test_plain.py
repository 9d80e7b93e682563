"""Dataclasses of the domain to plain data and back."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.plain import from_plain, to_plain
from pipeline.domain.types import (
    AudioChunk,
    Codec,
    DeadLetter,
    Hypothesis,
    InferenceRequest,
    InferenceResult,
    Received,
    RequestKind,
    SegmentClosed,
    SessionEnded,
    SourcePosition,
    StageTimes,
    Transcript,
    TranscriptKind,
    Word,
)
from pipeline.errors import UnknownSnapshot
from tests.domain.helpers import stored

words = st.builds(
    Word,
    text=st.text(max_size=5),
    confidence=st.none() | st.floats(0, 1),
    start_ms=st.none() | st.integers(0, 99),
    end_ms=st.none() | st.integers(0, 99),
)
several_words = st.lists(words, max_size=2).map(tuple)
hypotheses = st.builds(Hypothesis, text=st.text(max_size=5), words=several_words)
values = st.one_of(
    st.builds(AudioChunk),
    st.builds(DeadLetter),
    hypotheses,
    st.builds(InferenceRequest),
    st.builds(InferenceResult, hypothesis=hypotheses),
    st.builds(Received),
    st.builds(SegmentClosed),
    st.builds(SessionEnded),
    st.builds(SourcePosition),
    st.builds(StageTimes),
    st.builds(Transcript, words=several_words),
    words,
)


@given(values)
def test_every_value_comes_back_from_plain_data(value: Any) -> None:
    assert from_plain(type(value), stored(to_plain(value))) == value


@pytest.mark.parametrize("value", [*Codec, *RequestKind, *TranscriptKind])
def test_enums_become_their_values(value: Codec | RequestKind | TranscriptKind) -> None:
    assert type(to_plain(value)) in (str, int)


def test_enums_and_tuples_come_back_as_what_they_were() -> None:
    chunk = AudioChunk("s", 4, 1_000, Codec.OPUS, 48_000, 2, (b"a", b"b"), options={"agree": "yes"})
    again = from_plain(AudioChunk, to_plain(chunk))
    assert (again.codec, again.packets, again.options) == (Codec.OPUS, (b"a", b"b"), {"agree": "yes"})
    assert isinstance(again.codec, Codec)


@dataclass(frozen=True)
class WordOfALaterVersion:
    text: str
    loudness: float = 0.5


def test_fields_added_later_take_their_defaults() -> None:
    assert from_plain(WordOfALaterVersion, {"text": "hi"}) == WordOfALaterVersion("hi", 0.5)


def test_a_field_that_only_a_later_release_knows_is_refused() -> None:
    with pytest.raises(UnknownSnapshot, match="Word has no field loudness in this release: run the release that wrote"):
        from_plain(Word, {"text": "hi", "loudness": 0.5})


def test_a_field_that_is_missing_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="text"):
        from_plain(Word, {})
