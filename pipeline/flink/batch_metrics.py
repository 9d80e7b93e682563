"""The batcher's counters among Flink's metrics.

All are Flink counters, also the ones that fall: PyFlink's gauges call Python from a thread of Flink's own.
"""

from typing import Any

from pipeline.domain.types import SAMPLES_PER_MS
from pipeline.engines.counters import BatchCounters
from pipeline.observability import metrics


class BatchMetrics:
    """Brings Flink's counters up to the batcher's, which is cheap enough for every timer."""

    def __init__(self, group: Any) -> None:
        """``group``: the operator's MetricGroup."""
        self._shown = _by_name(BatchCounters())
        self._counters = {name: group.counter(name) for name in self._shown}

    def show(self, counters: BatchCounters) -> None:
        read = _by_name(counters)
        for name, value in read.items():
            if value != self._shown[name]:
                self._counters[name].inc(value - self._shown[name])
        self._shown = read


def _by_name(counters: BatchCounters) -> dict[str, int]:
    return {
        metrics.REQUESTS: counters.submitted,
        metrics.PARTIALS: counters.partials,
        metrics.PARTIALS_REPLACED: counters.replaced,
        metrics.PARTIALS_LATE: counters.late,
        metrics.PARTIALS_CROWDED: counters.crowded,
        metrics.PARTIALS_DISTRUSTED: counters.distrusted,
        metrics.QUEUE_LENGTH: counters.waiting,
        metrics.BATCHES: counters.batches,
        metrics.BATCHED_REQUESTS: counters.requests,
        metrics.QUEUED_MS: counters.queued_ms,
        metrics.BUSY_MS: counters.busy_ms,
        metrics.AUDIO_MS: counters.audio_samples // SAMPLES_PER_MS,
        metrics.PADDING_MS: counters.padding_samples // SAMPLES_PER_MS,
        metrics.RETRIES: counters.retried,
        metrics.FAILED: counters.failed,
        metrics.HANGS: counters.hangs,
        metrics.ENGINES_REPLACED: counters.engines_replaced,
        metrics.PARTIALS_DEGRADED: counters.degraded,
        metrics.FALLBACK_CALLS: counters.fallback_calls,
        metrics.FALLBACK_ANSWERS: counters.fallback_answers,
        metrics.BREAKER_OPENED: counters.breaker_opened,
        metrics.BREAKER_OPEN: counters.breaker_open,
    }
