"""The settings of the transcription job, as its operators carry them to the cluster."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pipeline.config import KafkaSettings, default_execution_mode
from pipeline.domain.session import SessionSettings
from pipeline.domain.usage import UsageSettings
from pipeline.engines.base import EngineSettings
from pipeline.errors import SetupError

TRANSACTION_TIMEOUT_MS: Final = 600_000
"""After so long Kafka aborts a transaction that nobody commits. Brokers allow 15 minutes unless told otherwise; finals
of a job that dies between its checkpoint and their commit are lost if it stays away for longer than this.
"""


class Guarantee(StrEnum):
    """How often a record is written to its topic when the job restarts; the words are those of Flink's connector."""

    AT_LEAST_ONCE = "at-least-once"
    EXACTLY_ONCE = "exactly-once"


@dataclass(frozen=True, slots=True)
class JobSettings:
    """``parallelism`` 0 takes the cluster's default. ``poll_ms`` is how often a lane looks for finished batches;
    ``transcript_linger_ms`` how long an ended session's transcripts are remembered against stragglers. ``finals``
    written exactly once become visible with the checkpoint after them.

    Raises SetupError for checkpoints so far apart that a transaction may time out between them.
    """

    name: str = "voxflow-transcribe"
    group_id: str = "voxflow-transcribe"
    parallelism: int = 0
    execution_mode: str = field(default_factory=default_execution_mode)
    checkpoint_interval_ms: int = 2_000
    buffer_timeout_ms: int = 2
    poll_ms: int = 10
    transcript_linger_ms: int = 60_000
    finals: Guarantee = Guarantee.AT_LEAST_ONCE
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    session: SessionSettings = field(default_factory=SessionSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    usage: UsageSettings = field(default_factory=UsageSettings)

    def __post_init__(self) -> None:
        longest_ms = TRANSACTION_TIMEOUT_MS // 2
        if self.finals is Guarantee.EXACTLY_ONCE and self.checkpoint_interval_ms > longest_ms:
            raise SetupError(
                f"--checkpoint-interval-ms {self.checkpoint_interval_ms} with --finals exactly-once: Kafka would abort "
                f"transactions that stay open for so long; take {longest_ms} or less"
            )
