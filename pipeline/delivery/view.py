"""What the delivery loop asks of a view; Redis and Elasticsearch implement it, tests fake it.

A view may be lost and rebuilt: the topics are the truth. Writing the same record twice, or an older revision after a
newer one, leaves a view as it was, so the loop may write a batch again whenever it is not sure that it was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipeline.domain.types import SourcePosition

Content = TypeVar("Content")
"""What a view's records hold: transcripts, or usage."""


@dataclass(frozen=True, slots=True)
class Delivery(Generic[Content]):
    """A record's content and where it stands; ``raw`` is the record as it came, for the dead letters."""

    record: Content
    source: SourcePosition
    raw: bytes


@dataclass(frozen=True, slots=True)
class Refused(Generic[Content]):
    """A record that a view will never take, and why."""

    delivery: Delivery[Content]
    reason: str


class View(Protocol[Content]):
    """One place where transcripts, or usage, are looked up."""

    name: str

    def decode(self, raw: bytes) -> Content:
        """The content of a record of the view's topics. Raises RejectedRecord."""
        ...

    def write(self, batch: Sequence[Delivery[Content]]) -> list[Refused[Content]]:
        """Returns once all of the batch is stored, but for the records refused for good.

        Raises ViewUnavailable if the view does not answer: the batch is to be written again later.
        """
        ...

    def close(self) -> None: ...
