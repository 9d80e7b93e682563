"""One Kafka broker that is its own controller (KRaft combined mode), started from the jars that Maven fetched."""

import contextlib
import os
import subprocess
from pathlib import Path

from pipeline.config import StackSettings
from pipeline.errors import StackError
from pipeline.local.java import STEADY, jvm
from pipeline.local.ports import Port, answers
from pipeline.local.process import Process

NAME = "kafka"
HEAP_MB = 384
CLUSTER_ID = "dm94Zmxvdy1sb2NhbC0wMQ"  # base64 of 16 bytes, as the storage format demands
# Larger than any chunk that is accepted: the job, not the broker, must refuse and dead-letter an oversized one.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


def process(settings: StackSettings) -> Process:
    """The broker's process, running or not."""
    return Process(NAME, settings.home / "run" / f"{NAME}.pid", settings.home / "logs" / f"{NAME}.log")


def ports_of(settings: StackSettings) -> tuple[Port, ...]:
    """Where the broker and its controller listen."""
    return (
        Port("Kafka", settings.kafka_port, "VOXFLOW_KAFKA_PORT"),
        Port("Kafka's controller", settings.kafka_controller_port, "VOXFLOW_KAFKA_CONTROLLER_PORT"),
    )


def start(settings: StackSettings) -> None:
    """Formats the storage the first time, and starts the broker. Raises StackError."""
    properties = write_properties(settings)
    if not (data_folder(settings) / "meta.properties").exists():
        format_storage(settings, properties)
    process(settings).start(command(settings, "kafka.Kafka", str(properties)), {**os.environ, **STEADY})


def ready(settings: StackSettings) -> bool:
    """Whether the broker answers a request for metadata."""
    return answers(settings.kafka_port) and metadata_arrives(settings.kafka_port)


def metadata_arrives(port: int) -> bool:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    with contextlib.suppress(KafkaException):
        client = AdminClient({"bootstrap.servers": f"localhost:{port}", "log_level": 0})
        return len(client.list_topics(timeout=2.0).brokers) > 0
    return False


def data_folder(settings: StackSettings) -> Path:
    return settings.home / "kafka" / "data"


def write_properties(settings: StackSettings) -> Path:
    path = settings.home / "kafka" / "server.properties"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key}={value}\n" for key, value in properties(settings).items()))
    return path


def properties(settings: StackSettings) -> dict[str, str | int]:
    """The broker's own configuration; every name is Kafka's."""
    broker, controller = f"localhost:{settings.kafka_port}", f"localhost:{settings.kafka_controller_port}"
    return {
        "node.id": 1,
        "process.roles": "broker,controller",
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "controller.listener.names": "CONTROLLER",
        # A broker that was killed may register again only when its old session is over, 9 s as Kafka comes.
        "broker.session.timeout.ms": 2_000,
        "broker.heartbeat.interval.ms": 500,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data_folder(settings)),
        "log.retention.hours": 24,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
    }


def format_storage(settings: StackSettings, properties: Path) -> None:
    arguments = ("format", "--cluster-id", CLUSTER_ID, "--config", str(properties), "--ignore-formatted")
    tool = command(settings, "kafka.tools.StorageTool", *arguments)
    run = subprocess.run(tool, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise StackError(f"Kafka could not format {data_folder(settings)}: {run.stderr.strip() or run.stdout.strip()}")


def command(settings: StackSettings, main_class: str, *arguments: str) -> list[str]:
    """What runs a class of Kafka's jars."""
    return [*jvm(HEAP_MB, [settings.java / "kafka" / "*"]), main_class, *arguments]
