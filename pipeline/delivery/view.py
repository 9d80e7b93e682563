"""What the delivery loop asks of a view; Redis and Elasticsearch implement it, tests fake it.

A view may be lost and rebuilt: the topics are the truth. Writing the same record twice, or an older revision after a
newer one, leaves a view as it was, so the loop may write a batch again whenever it is not sure that it was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.domain.types import SourcePosition, Transcript


@dataclass(frozen=True, slots=True)
class Delivery:
    """A transcript and where its record stands; ``raw`` is the record itself, for the dead letters."""

    transcript: Transcript
    source: SourcePosition
    raw: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that a view will never take, and why."""

    delivery: Delivery
    reason: str


class View(Protocol):
    """One place where transcripts are looked up."""

    name: str

    def write(self, batch: Sequence[Delivery]) -> list[Refused]:
        """Returns once all of the batch is stored, but for the records refused for good.

        Raises ViewUnavailable if the view does not answer: the batch is to be written again later.
        """
        ...

    def close(self) -> None: ...
