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


def audio_rows(tables: StreamTableEnvironment, settings: JobSettings) -> DataStream:
    """Rows of (value BYTES, partition INT, offset BIGINT) of the audio topic."""
    kafka = settings.kafka
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE audio (
            `value` BYTES,
            `partition` INT METADATA VIRTUAL,
            `offset` BIGINT METADATA VIRTUAL
        ) WITH (
            {_options(kafka, kafka.topics.audio)},
            'properties.group.id' = {quoted(settings.group_id)},
            'properties.auto.offset.reset' = 'earliest',
            'properties.fetch.max.wait.ms' = '50',
            'properties.max.partition.fetch.bytes' = '{FETCH_BYTES}',
            'scan.startup.mode' = 'group-offsets',
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
