"""Kafka on both ends, through the Table connector.

The DataStream connector of PyFlink gives values only; the Table connector's ``raw`` format gives the partition and
offset that dead letters and transcripts name, and writes keys, which keep a session's records in one partition.
"""

from collections.abc import Mapping

from pyflink.datastream import DataStream
from pyflink.table import StatementSet, StreamTableEnvironment

from pipeline.config import KafkaSettings
from pipeline.flink.settings import TRANSACTION_TIMEOUT_MS, Guarantee, JobSettings

LARGEST_RECORD_BYTES = 8 * 1024 * 1024
"""Room for the largest record that a topic accepts."""

FETCH_BYTES = 64 * 1024
"""A partition's share of a fetch, in which a larger record still comes, alone (KIP-74). A consumer works off what it
has of one partition before it turns to the next: with megabytes of a backlog at once, sessions of other partitions
would hear nothing for so long that they would be taken to have ended.
"""

IDLE_PARTITION = "5 s"
"""A partition without records for so long does not hold the watermark back."""


def audio_rows(tables: StreamTableEnvironment, settings: JobSettings) -> DataStream:
    """Rows of (value BYTES, partition INT, offset BIGINT, stored TIMESTAMP_LTZ) of the audio topic.

    When Kafka stored a record is the row's event time, too, as ``ctx.timestamp()``; watermarks follow each partition.
    """
    kafka = settings.kafka
    lateness_s = settings.usage.lateness_ms / 1000
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE audio (
            `value` BYTES,
            `partition` INT METADATA VIRTUAL,
            `offset` BIGINT METADATA VIRTUAL,
            `stored` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
            WATERMARK FOR `stored` AS `stored` - INTERVAL '{lateness_s:.3f}' SECOND
        ) WITH (
            {_listed({**_place(kafka, kafka.topics.audio), **_reading(settings.group_id)})}
        )""")
    return tables.to_data_stream(tables.from_path("audio"))


def write_records(
    statements: StatementSet,
    tables: StreamTableEnvironment,
    records: DataStream,
    name: str,
    topic: str,
    settings: JobSettings,
    guarantee: Guarantee = Guarantee.AT_LEAST_ONCE,
) -> None:
    """Write rows of (key BYTES, value BYTES) to a topic; ``name`` names the sink in the job's graph."""
    options = {**_place(settings.kafka, topic), **_writing(), **guarantee_options(guarantee, settings.name, topic)}
    tables.execute_sql(f"CREATE TEMPORARY TABLE {name} (`key` BYTES, `value` BYTES) WITH ({_listed(options)})")
    statements.add_insert(name, tables.from_data_stream(records))


def guarantee_options(guarantee: Guarantee, job: str, topic: str) -> dict[str, str]:
    """The connector's options for a guarantee. Transactions are named after job and topic, which no two jobs share.

    The names are used again (POOLING). Flink's own choice is a new one with each checkpoint, and Kafka remembers each
    for a week.
    """
    options = {"sink.delivery-guarantee": guarantee.value}
    if guarantee is Guarantee.EXACTLY_ONCE:
        options |= {
            "sink.transactional-id-prefix": f"{job}-{topic}",
            "sink.transaction-naming-strategy": "POOLING",
            "properties.transaction.timeout.ms": str(TRANSACTION_TIMEOUT_MS),
        }
    return options


def _reading(group_id: str) -> dict[str, str]:
    return {
        "properties.group.id": group_id,
        "properties.auto.offset.reset": "earliest",
        "properties.fetch.max.wait.ms": "50",
        "properties.max.partition.fetch.bytes": str(FETCH_BYTES),
        "scan.startup.mode": "group-offsets",
        "scan.watermark.idle-timeout": IDLE_PARTITION,
        "format": "raw",
    }


def _writing() -> dict[str, str]:
    return {
        "properties.linger.ms": "0",
        "properties.max.request.size": str(LARGEST_RECORD_BYTES),
        "key.format": "raw",
        "key.fields": "key",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
    }


def _place(kafka: KafkaSettings, topic: str) -> dict[str, str]:
    return {"connector": "kafka", "topic": topic, "properties.bootstrap.servers": kafka.bootstrap_servers}


def _listed(options: Mapping[str, str]) -> str:
    """Options as SQL lists them."""
    return ", ".join(f"{quoted(name)} = {quoted(value)}" for name, value in options.items())


def quoted(text: str) -> str:
    """``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
