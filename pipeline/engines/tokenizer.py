"""Moonshine's vocabulary: from token numbers to text.

The file is a row of entries, one a token: the length in bytes (one byte below 128; else the low seven bits, and the
multiple of 128 in a second byte), then the bytes. Spaces are U+2581. Tokens that stand for a single byte spell
characters outside the vocabulary, so text is only decoded once all its bytes are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import ModelMissing

START_TOKEN: Final = 1
END_TOKEN: Final = 2

_SPACE: Final = "\u2581".encode()
_FIRST_TEXT_TOKEN: Final = 3


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The bytes of every token; a control token has none."""

    pieces: tuple[bytes, ...]

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Reads a vocabulary file. Raises ModelMissing where it is cut off."""
        try:
            return cls.parse(path.read_bytes())
        except ValueError as exc:
            raise ModelMissing(f"vocabulary {path}: {exc}; reinstall the package it belongs to") from exc

    @classmethod
    def parse(cls, raw: bytes) -> "Tokenizer":
        """Raises ValueError where an entry reaches past the end."""
        pieces = []
        at = 0
        while at < len(raw):
            start, at = _entry(raw, at)
            pieces.append(raw[start:at].replace(_SPACE, b" "))
        return cls(tuple(_spoken(number, piece) for number, piece in enumerate(pieces)))

    def __len__(self) -> int:
        return len(self.pieces)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of the tokens, without spaces at its ends."""
        return b"".join(self.pieces[token] for token in tokens).decode("utf-8", "replace").strip()

    def starts_word(self, token: int) -> bool:
        return self.pieces[token].startswith(b" ")


def _entry(raw: bytes, at: int) -> tuple[int, int]:
    """Where the bytes of the entry at ``at`` start and end."""
    length, start = raw[at], at + 1
    if length >= 128 and start < len(raw):
        length, start = length - 128 + 128 * raw[start], start + 1
    if start + length > len(raw):
        raise ValueError(f"entry at byte {at} is {length} bytes long but only {len(raw) - start} follow")
    return start, start + length


def _spoken(number: int, piece: bytes) -> bytes:
    """What a token says: nothing for <unk>, <s>, </s> and the <<ST_n>> marks."""
    return b"" if number < _FIRST_TEXT_TOKEN or piece.startswith(b"<<") else piece
