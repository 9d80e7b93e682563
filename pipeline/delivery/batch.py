"""The decisions of the delivery loop, as values: what a batch holds, what is left of it, how long to pause."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Generic

from pipeline.adapters.kafka.group import Partition, Record
from pipeline.delivery.view import Content, Delivery, Refused
from pipeline.domain.types import DeadLetter, SourcePosition, Transcript
from pipeline.errors import RejectedRecord

REFUSED: Final = "RefusedByView"
"""The error named in the dead letter of a record that could be read, but not stored."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[Content]):
    """Records taken together: those that could be read, and dead letters of the others."""

    deliveries: tuple[Delivery[Content], ...] = ()
    letters: tuple[DeadLetter, ...] = ()

    def positions(self) -> list[SourcePosition]:
        """Where its records stand, readable or not."""
        return [delivery.source for delivery in self.deliveries] + [letter.source for letter in self.letters]

    def without(self, partitions: Collection[Partition]) -> "Batch[Content]":
        """What is left of it when these partitions are not, or no longer, to be written."""
        return Batch(
            tuple(one for one in self.deliveries if partition_of(one.source) not in partitions),
            tuple(one for one in self.letters if partition_of(one.source) not in partitions),
        )


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts: each twice as long as the one before, up to a limit."""

    first_s: float
    longest_s: float

    def pause_s(self, failures: int, chance: float) -> float:
        """The pause after that many failures in a row; ``chance`` in [0, 1) makes it half as long or anything between.

        Members of a group fail together, when their view does; they should not all come back together.
        """
        # The exponent is bounded, since a view may be down for days and a float holds no more than 2**1023.
        whole_s = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 64))
        return whole_s * (0.5 + 0.5 * chance)


def partition_of(source: SourcePosition) -> Partition:
    return source.topic, source.partition


def not_from_start(sources: Sequence[SourcePosition]) -> frozenset[Partition]:
    """The partitions of which something precedes these records, which are in order."""
    first = {partition_of(source): source.offset for source in reversed(sources)}
    return frozenset(partition for partition, offset in first.items() if offset > 0)


def sorted_out(records: Sequence[Record], decode: Callable[[bytes], Content], view: str, now_ms: int) -> Batch[Content]:
    """The batch that these records make; ``decode`` raises RejectedRecord for those that cannot be read."""
    deliveries: list[Delivery[Content]] = []
    letters: list[DeadLetter] = []
    for record in records:
        try:
            deliveries.append(Delivery(decode(record.value), record.source, record.value))
        except RejectedRecord as exc:
            message = f"not delivered to {view}: {exc}"
            letters.append(DeadLetter(record.value, record.source, type(exc).__name__, message, None, now_ms))
    return Batch(tuple(deliveries), tuple(letters))


def letter_of(refused: Refused[Content], view: str, now_ms: int) -> DeadLetter:
    """The dead letter of a record that the view will never take; it names the session where there is one."""
    one = refused.delivery
    session_id = one.record.session_id if isinstance(one.record, Transcript) else None
    message = f"not delivered to {view}: {refused.reason}"
    return DeadLetter(one.raw, one.source, REFUSED, message, session_id, now_ms)
