"""What was asked of the engine and what became of it, in numbers that only rise; differences of two readings make
rates."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.engines.batch_queue import Waiting


@dataclass(slots=True)
class BatchCounters:
    """Since the batcher was made; but ``waiting``, ``abandoned`` and ``breaker_open`` are how many there are now.

    ``submitted`` requests came in, ``partials`` of them for partials. ``batches`` were run, of ``requests`` in all,
    where each attempt counts; ``retried`` of these were to be made again. ``failed`` results are errors. Of the calls
    that were given up as ``hangs``, ``abandoned`` have not come back; ``engines_replaced`` were loaded for them.
    Partials were shed because they were ``replaced``, ``late``, ``crowded`` out or ``distrusted``, or, while the
    breaker was open, ``degraded``.

    ``fallback_calls`` are the ``batches`` of the fallback, ``fallback_answers`` the texts it gave. The breaker was
    ``breaker_opened`` so often, and ``breaker_open`` is 1 while it is not closed, else 0.
    """

    submitted: int = 0
    partials: int = 0
    waiting: int = 0
    batches: int = 0
    requests: int = 0
    largest_batch: int = 0
    retried: int = 0
    failed: int = 0
    hangs: int = 0
    abandoned: int = 0
    engines_replaced: int = 0
    queued_ms: int = 0
    busy_ms: int = 0
    audio_samples: int = 0
    padding_samples: int = 0
    replaced: int = 0
    late: int = 0
    crowded: int = 0
    distrusted: int = 0
    degraded: int = 0
    fallback_calls: int = 0
    fallback_answers: int = 0
    breaker_opened: int = 0
    breaker_open: int = 0

    @property
    def mean_batch(self) -> float:
        """Requests a batch; 0 before the first one."""
        return self.requests / self.batches if self.batches else 0.0

    def add_batch(self, batch: Sequence[Waiting], started_at_ms: int, ended_at_ms: int) -> None:
        """Count one batch that the engine is done with, or that was given up."""
        audio = sum(len(one.request.audio) // 2 for one in batch)
        self.batches += 1
        self.requests += len(batch)
        self.largest_batch = max(self.largest_batch, len(batch))
        self.queued_ms += sum(started_at_ms - one.submitted_at_ms for one in batch)
        self.busy_ms += ended_at_ms - started_at_ms
        self.audio_samples += audio
        self.padding_samples += sum(one.samples for one in batch) - audio
