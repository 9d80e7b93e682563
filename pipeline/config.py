"""Settings, one frozen dataclass a concern, read once from an environment mapping and handed down.

Only entry points (the command line, jobs/) call ``from_environ``; everything below receives the piece it needs.
A malformed variable is reported with its name, its value and what was expected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from pipeline.errors import SetupError


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the Kafka topics; the version is part of the name so that formats can change side by side."""

    audio: str = "speech.audio.v1"
    dead_letters: str = "speech.audio.dlq.v1"
    partials: str = "speech.partial.v1"
    finals: str = "speech.final.v1"

    def prefixed(self, prefix: str) -> "Topics":
        """The same topics for another installation on the same Kafka."""
        return Topics(**{field.name: prefix + getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach Kafka."""

    bootstrap_servers: str = "localhost:9092"
    topics: Topics = field(default_factory=Topics)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "KafkaSettings":
        """Reads VOXFLOW_BOOTSTRAP_SERVERS (without it: the local stack's broker) and VOXFLOW_TOPIC_PREFIX."""
        default = f"localhost:{integer(environ, 'VOXFLOW_KAFKA_PORT', 9092)}"
        return cls(
            bootstrap_servers=environ.get("VOXFLOW_BOOTSTRAP_SERVERS", default),
            topics=Topics().prefixed(environ.get("VOXFLOW_TOPIC_PREFIX", "")),
        )


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Where the local stack keeps its files, and its ports.

    ``java`` holds the jars that Maven fetched; two stacks with homes of their own may share it.
    """

    home: Path = Path(".voxflow")
    java: Path = Path(".voxflow/java")
    kafka_port: int = 9092
    kafka_controller_port: int = 9093
    flink_rest_port: int = 8081
    flink_rpc_port: int = 6123
    task_managers: int = 1
    slots_per_task_manager: int = 2
    checkpoint_interval_ms: int = 2_000

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "StackSettings":
        """Reads VOXFLOW_HOME, VOXFLOW_JAVA, VOXFLOW_KAFKA_PORT, VOXFLOW_KAFKA_CONTROLLER_PORT,
        VOXFLOW_FLINK_REST_PORT, VOXFLOW_FLINK_RPC_PORT, VOXFLOW_TASK_MANAGERS, VOXFLOW_SLOTS and
        VOXFLOW_CHECKPOINT_INTERVAL_MS."""
        return cls(
            home=Path(environ.get("VOXFLOW_HOME", ".voxflow")).absolute(),
            java=Path(environ.get("VOXFLOW_JAVA", ".voxflow/java")).absolute(),
            kafka_port=integer(environ, "VOXFLOW_KAFKA_PORT", 9092),
            kafka_controller_port=integer(environ, "VOXFLOW_KAFKA_CONTROLLER_PORT", 9093),
            flink_rest_port=integer(environ, "VOXFLOW_FLINK_REST_PORT", 8081),
            flink_rpc_port=integer(environ, "VOXFLOW_FLINK_RPC_PORT", 6123),
            task_managers=integer(environ, "VOXFLOW_TASK_MANAGERS", 1),
            slots_per_task_manager=integer(environ, "VOXFLOW_SLOTS", 2),
            checkpoint_interval_ms=integer(environ, "VOXFLOW_CHECKPOINT_INTERVAL_MS", 2_000),
        )


def integer(environ: Mapping[str, str], name: str, default: int) -> int:
    """The whole number in ``environ[name]``, or ``default`` where it is unset. Raises SetupError."""
    value = environ.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise SetupError(f"{name}={value!r} is not a whole number; unset it to use {default}") from None
