"""The vocabulary file and the texts that tokens spell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.tokenizer import Tokenizer


def entry(piece: bytes) -> bytes:
    """A piece as the vocabulary file holds it."""
    length = len(piece)
    return (bytes([length]) if length < 128 else bytes([length % 128 + 128, length // 128])) + piece


def vocabulary(*pieces: str) -> Tokenizer:
    named = ["<unk>", "<s>", "</s>", *pieces]
    return Tokenizer.parse(b"".join(entry(piece.encode()) for piece in named))


def test_spaces_are_spelled_by_a_mark_of_their_own() -> None:
    assert vocabulary("\u2581hello", "\u2581world").decode([3, 4]) == "hello world"


def test_control_tokens_say_nothing() -> None:
    assert vocabulary("hi", "<<ST_7>>").decode([1, 3, 4, 2]) == "hi"


def test_a_character_may_be_spelled_byte_by_byte() -> None:
    raw = b"".join(map(entry, (b"<unk>", b"<s>", b"</s>", b"\xc3", b"\xa9")))
    assert Tokenizer.parse(raw).decode([3, 4]) == "\u00e9"


def test_half_a_character_is_replaced_not_refused() -> None:
    raw = b"".join(map(entry, (b"<unk>", b"<s>", b"</s>", b"\xc3")))
    assert Tokenizer.parse(raw).decode([3]) == "\ufffd"


def test_only_a_token_with_a_space_starts_a_word() -> None:
    tokenizer = vocabulary("\u2581un", "known")
    assert [tokenizer.starts_word(token) for token in (3, 4)] == [True, False]


def test_a_file_that_is_cut_off_is_refused_with_the_place() -> None:
    with pytest.raises(ValueError, match="entry at byte 2 is 9 bytes long but only 1 follow"):
        Tokenizer.parse(b"\x01a\x09b")


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_every_vocabulary_reads_back_entry_by_entry(pieces: list[bytes]) -> None:
    assert len(Tokenizer.parse(b"".join(map(entry, pieces)))) == len(pieces)
