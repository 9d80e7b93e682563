"""The settings of the transcription job, as its operators carry them to the cluster."""

from dataclasses import dataclass, field

from pipeline.config import KafkaSettings, default_execution_mode
from pipeline.domain.session import SessionSettings
from pipeline.domain.usage import UsageSettings
from pipeline.engines.base import EngineSettings


@dataclass(frozen=True, slots=True)
class JobSettings:
    """``parallelism`` 0 takes the cluster's default. ``poll_ms`` is how often a lane looks for finished batches;
    ``transcript_linger_ms`` how long an ended session's transcripts are remembered against stragglers.
    """

    name: str = "voxflow-transcribe"
    group_id: str = "voxflow-transcribe"
    parallelism: int = 0
    execution_mode: str = field(default_factory=default_execution_mode)
    checkpoint_interval_ms: int = 2_000
    buffer_timeout_ms: int = 2
    poll_ms: int = 10
    transcript_linger_ms: int = 60_000
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    session: SessionSettings = field(default_factory=SessionSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    usage: UsageSettings = field(default_factory=UsageSettings)
