"""Kafka on both ends, through the Table connector.

The DataStream connector of PyFlink gives values only; the Table connector's ``raw`` format gives the partition and
offset that dead letters and transcripts name, and writes keys, which keep a session's records in one partition.
"""

from pyflink.datastream import DataStream
from pyflink.table import StatementSet, StreamTableEnvironment

from pipeline.config import KafkaSettings
from pipeline.flink.settings import JobSettings

FETCH_BYTES = 8 * 1024 * 1024
"""Room for the largest record that a topic accepts."""


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
            {_options(kafka, kafka.topics.audio)},
            'properties.group.id' = {quoted(settings.group_id)},
            'properties.auto.offset.reset' = 'earliest',
            'properties.fetch.max.wait.ms' = '50',
            'properties.max.partition.fetch.bytes' = '{FETCH_BYTES}',
            'scan.startup.mode' = 'group-offsets',
            'scan.watermark.idle-timeout' = {quoted(IDLE_PARTITION)},
            'format' = 'raw'
        )""")
    return tables.to_data_stream(tables.from_path("audio"))


def write_records(
    statements: StatementSet,
    tables: StreamTableEnvironment,
    records: DataStream,
    name: str,
    topic: str,
    settings: JobSettings,
) -> None:
    """Write rows of (key BYTES, value BYTES) to a topic, at least once; ``name`` names the sink in the job's graph."""
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE {name} (`key` BYTES, `value` BYTES) WITH (
            {_options(settings.kafka, topic)},
            'properties.linger.ms' = '0',
            'properties.max.request.size' = '{FETCH_BYTES}',
            'sink.delivery-guarantee' = 'at-least-once',
            'key.format' = 'raw',
            'key.fields' = 'key',
            'value.format' = 'raw',
            'value.fields-include' = 'EXCEPT_KEY'
        )""")
    statements.add_insert(name, tables.from_data_stream(records))


def _options(kafka: KafkaSettings, topic: str) -> str:
    return (
        f"'connector' = 'kafka', 'topic' = {quoted(topic)}, "
        f"'properties.bootstrap.servers' = {quoted(kafka.bootstrap_servers)}"
    )


def quoted(text: str) -> str:
    """``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
