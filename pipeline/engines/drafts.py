"""What each open segment was last heard to say, in tokens: the draft for its next, longer stretch; pure.

Drafts save time and change no text, so they are kept in memory only, and the oldest are dropped.
"""

from collections.abc import Sequence
from typing import Final

from pipeline.domain.types import Hypothesis, RequestKind
from pipeline.engines.batch_queue import Voice, Waiting

MOST_DRAFTS: Final = 4096
"""Segments at once; with some 30 tokens each they take a few megabytes."""

Tokens = tuple[int, ...]


class Drafts:
    """The tokens of the latest hypothesis about each segment, until its final."""

    def __init__(self, most: int = MOST_DRAFTS) -> None:
        self._most = most
        self._tokens: dict[Voice, Tokens] = {}  # the latest last

    def __len__(self) -> int:
        return len(self._tokens)

    def of(self, batch: Sequence[Waiting]) -> list[Tokens]:
        """A draft for each request, where there is one. One that has failed goes without: it may be what it failed of.

        Empty where nobody has a draft.
        """
        drafts = [() if one.tries.total else self._tokens.get(one.voice, ()) for one in batch]
        return drafts if any(drafts) else []

    def learn(self, batch: Sequence[Waiting], heard: Sequence[Hypothesis]) -> None:
        """Takes what was heard as the next draft; a final has no next."""
        for one, hypothesis in zip(batch, heard, strict=True):
            self._tokens.pop(one.voice, None)
            if hypothesis.tokens and one.request.kind is not RequestKind.FINAL:
                self._tokens[one.voice] = hypothesis.tokens
        while len(self._tokens) > self._most:
            del self._tokens[next(iter(self._tokens))]
