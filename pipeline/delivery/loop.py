"""From the topics of a view to the view: take what is there, write it, and only then say that it is done.

A view that does not answer is waited for, and the same batch written again: nothing else of the pipeline notices. What
a view will never take goes to a dead-letter topic instead. The topics are the truth, so a view that was emptied is
written again from the start of the topics.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from threading import Event
from typing import Final, Generic, Protocol

from pipeline.adapters.kafka.group import Partition, Record
from pipeline.config import DeliverySettings
from pipeline.delivery.batch import Backoff, Batch, letter_of, sorted_out
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.view import Content, View
from pipeline.domain.types import DeadLetter, SourcePosition
from pipeline.errors import BrokerUnreachable, ViewEmptied, ViewUnavailable, VoxflowError

log = logging.getLogger(__name__)

HEARTBEAT_S: Final = 0.2
"""How long a pause may last without the group, or a wish to stop, being heard."""

LAG_EVERY_S: Final = 1.0

PROBE_EVERY_S: Final = 1.0
"""A view that nothing is written to is asked whether it is there this often: by an empty batch."""


class Source(Protocol):
    """What the loop asks of a consumer group; ``GroupReader`` is the one of Kafka."""

    def take(self, limit: int, wait_s: float) -> list[Record]: ...

    def idle(self, wait_s: float) -> None: ...

    def done(self, positions: Sequence[SourcePosition]) -> None: ...

    def dropped(self) -> frozenset[Partition]: ...

    def rewind(self, partitions: Collection[Partition]) -> int: ...

    def lag(self, fresh: bool = False) -> int: ...

    def close(self) -> None: ...


class Letters(Protocol):
    """Where records go that cannot be delivered; it returns once they are stored."""

    def send(self, letters: Sequence[DeadLetter]) -> None: ...


class DeliveryLoop(Generic[Content]):
    """Delivers to one view. ``chance`` gives numbers in [0, 1) that spread the pauses of several members."""

    def __init__(
        self,
        source: Source,
        view: View[Content],
        letters: Letters,
        settings: DeliverySettings,
        health: ViewHealth,
        chance: Callable[[], float],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._view = view
        self._letters = letters
        self._settings = settings
        self._health = health
        self._chance = chance
        self._now_s = now_s
        self._backoff = Backoff(settings.first_pause_ms / 1000, settings.longest_pause_ms / 1000)
        self._to_rewind: frozenset[Partition] = frozenset()
        self._lag_at_s = 0.0
        self._written_at_s = 0.0

    def run(self, stop: Event) -> None:
        """Delivers until ``stop`` is set; the batch in hand is finished, unless its view is down."""
        try:
            while not stop.is_set():
                self.step(stop)
        finally:
            self._health.stopped()
            self._source.close()
            self._view.close()

    def step(self, stop: Event) -> None:
        """Takes one batch and sees it through."""
        try:
            records = self._source.take(self._settings.batch_size, self._settings.wait_ms / 1000)
        except BrokerUnreachable as error:
            self._failed(error)
            self._pause(1, stop)
            return
        if records or self._is_due(self._written_at_s, PROBE_EVERY_S):
            self._see_through(self._sorted_out(records), stop)
        self._measure_lag(fresh=False)

    def _sorted_out(self, records: Sequence[Record]) -> Batch[Content]:
        return sorted_out(records, self._view.decode, self._view.name, self._now_ms())

    def _see_through(self, batch: Batch[Content], stop: Event) -> None:
        """Tries until the batch is delivered, or ``stop`` is set: then it comes again to whoever reads next."""
        failures = 0
        while not self._delivered(batch):
            failures += 1
            self._measure_lag(fresh=True)
            if not self._pause(failures, stop):
                return
            batch = batch.without(self._source.dropped())
        self._written_at_s = self._now_s()
        self._health.answered(self._now_ms())

    def _delivered(self, batch: Batch[Content]) -> bool:
        """Whether the batch is written and its offsets committed; if not, the same batch is to be tried again."""
        try:
            self._rewind()
            self._source.done(self._written(batch).positions())
        except (ViewUnavailable, BrokerUnreachable) as error:
            self._failed(error)
            return False
        return True

    def _written(self, batch: Batch[Content]) -> Batch[Content]:
        """What of the batch was written. Records of partitions that are to be read from their start come again."""
        try:
            refused = self._view.write(batch.deliveries)
        except ViewEmptied as error:
            self._to_rewind |= error.partitions
            self._rewind(str(error))
            return self._written(batch.without(error.partitions))
        letters = [*batch.letters, *(letter_of(one, self._view.name, self._now_ms()) for one in refused)]
        self._letters.send(letters)
        self._health.wrote(len(batch.deliveries) - len(refused), len(letters))
        return batch

    def _rewind(self, reason: str = "an emptied view") -> None:
        """Kept in mind until it worked: the view takes those partitions as new by now."""
        if self._to_rewind:
            again = self._source.rewind(self._to_rewind)
            self._to_rewind = frozenset()
            if again:  # there is nothing to tell of a view that is written for the first time
                log.warning("%s: %d records of the topic are written again", reason, again)

    def _failed(self, error: VoxflowError) -> None:
        """Said once, however long it lasts."""
        if self._health.failed(str(error), self._now_ms()):
            log.warning("delivery to %s waits: %s", self._view.name, error)

    def _pause(self, failures: int, stop: Event) -> bool:
        """Waits as a member of the group; False once ``stop`` is set."""
        left_s = self._backoff.pause_s(failures, self._chance())
        while left_s > 0 and not stop.is_set():
            self._source.idle(min(left_s, HEARTBEAT_S))
            left_s -= HEARTBEAT_S
        return not stop.is_set()

    def _measure_lag(self, fresh: bool) -> None:
        if self._is_due(self._lag_at_s, LAG_EVERY_S):
            self._lag_at_s = self._now_s()
            self._health.lags(self._source.lag(fresh))

    def _is_due(self, last_s: float, every_s: float) -> bool:
        """Also when the clock was set back."""
        return abs(self._now_s() - last_s) >= every_s

    def _now_ms(self) -> int:
        return int(self._now_s() * 1000)
