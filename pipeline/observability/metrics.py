"""The names of the job's own metrics, all in one place; Flink reports them with those of each operator."""

from typing import Final

SESSIONS_LIVE: Final = "sessions_live"
"""Sessions in the memory of the sessions operator, those that ended and linger included. Rises and falls."""

PARTIALS_WITHHELD: Final = "partials_withheld"
"""Partials that the sessions operator did not ask for, because the job lagged behind the audio topic."""

REQUESTS: Final = "requests"
"""Requests that came to the inference operator."""

PARTIALS: Final = "partials"
"""Those of them for partials."""

PARTIALS_REPLACED: Final = "partials_shed_replaced"
"""Partials let go because a newer request of their segment came."""

PARTIALS_LATE: Final = "partials_shed_late"
"""Partials let go because they had waited past their deadline."""

PARTIALS_CROWDED: Final = "partials_shed_crowded"
"""Partials let go because the queue was full."""

PARTIALS_DISTRUSTED: Final = "partials_shed_distrusted"
"""Partials let go because a call with their segment in it had hung."""

QUEUE_LENGTH: Final = "queue_length"
"""Requests that wait for the engine. Rises and falls."""

BATCHES: Final = "batches"
"""Calls of the engine."""

BATCHED_REQUESTS: Final = "batched_requests"
"""Requests in all of those calls: by ``batches``, the mean size of a batch."""

QUEUED_MS: Final = "queued_ms"
"""How long those requests had waited for the engine, added up; by ``batched_requests``, the mean wait."""

BUSY_MS: Final = "busy_ms"
"""How long the calls took, added up over the workers."""

AUDIO_MS: Final = "audio_ms"
"""The audio of those requests."""

PADDING_MS: Final = "padding_ms"
"""The silence that was put after it, up to canonical lengths."""

RETRIES: Final = "retries"
"""Attempts that failed and were to be made again."""

FAILED: Final = "failed"
"""Requests that were answered with an error, those for partials included."""

HANGS: Final = "hangs"
"""Calls that were abandoned because they took too long."""

ENGINES_REPLACED: Final = "engines_replaced"
"""Engines that were loaded in place of one that hung."""

PARTIALS_DEGRADED: Final = "partials_shed_degraded"
"""Partials let go because the breaker was open, and the fallback answers finals only."""

FALLBACK_CALLS: Final = "fallback_calls"
"""Calls of the fallback, which ``batches`` counts as well."""

FALLBACK_ANSWERS: Final = "fallback_answers"
"""Finals and early finals that the fallback has answered."""

BREAKER_OPENED: Final = "breaker_opened"
"""How often the breaker has opened because the engine failed."""

BREAKER_OPEN: Final = "breaker_open"
"""Subtasks whose breaker is not closed. Rises and falls."""
