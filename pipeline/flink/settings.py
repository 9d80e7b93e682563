"""The settings of the transcription job, as its operators carry them to the cluster."""

import platform
from dataclasses import dataclass, field

from pipeline.config import KafkaSettings
from pipeline.domain.session import SessionSettings
from pipeline.domain.usage import UsageSettings
from pipeline.engines.base import EngineSettings


def default_execution_mode() -> str:
    """Thread mode, several times faster, where pemja, the bridge it needs, is published: on Linux for x86_64."""
    return "thread" if (platform.system(), platform.machine()) == ("Linux", "x86_64") else "process"


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
