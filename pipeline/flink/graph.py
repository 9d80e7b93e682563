"""The shape of the transcription job, from top to bottom."""

from collections.abc import Callable
from functools import partial

from pyflink.common import Configuration, Row
from pyflink.common.typeinfo import Types
from pyflink.datastream import DataStream, KeyedStream, StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from pipeline.domain.types import InferenceRequest
from pipeline.flink.hops import BY_LANE, BY_SESSION, keyed, lane_row
from pipeline.flink.inference_function import InferenceFunction
from pipeline.flink.ingest_function import IngestFunction
from pipeline.flink.kafka_tables import audio_rows, write_records
from pipeline.flink.lanes import balanced_lanes
from pipeline.flink.outputs import DEAD_LETTERS, FINALS, KEYED_BYTES, MARKERS, USAGE
from pipeline.flink.session_function import SessionFunction
from pipeline.flink.settings import JobSettings
from pipeline.flink.transcript_function import TranscriptFunction
from pipeline.flink.usage_windows import usage_records

PICKLED = Types.PICKLED_BYTE_ARRAY()

MAX_PARALLELISM = 128
"""Key groups; fixed for the life of a job's state, and Flink's own default for small jobs."""


def build(settings: JobSettings) -> StreamExecutionEnvironment:
    """The environment with the whole job in it, ready to execute."""
    env = environment(settings)
    tables = StreamTableEnvironment.create(env)
    topics = settings.kafka.topics

    received = named(audio_rows(tables, settings).process(IngestFunction(topics.audio), BY_SESSION), "ingest")
    sessions = SessionFunction(settings, give=to_lanes(env))
    requests = named(keyed(received, Types.STRING()).process(sessions, BY_LANE), "sessions")
    results = named(keyed(requests, Types.INT()).process(InferenceFunction(settings), PICKLED), "inference")
    markers = requests.get_side_output(MARKERS)
    partials = named(
        by_session(results.union(markers)).process(TranscriptFunction(settings), KEYED_BYTES), "transcripts"
    )
    dead_letters = received.get_side_output(DEAD_LETTERS).union(requests.get_side_output(DEAD_LETTERS))
    reports = [operator.get_side_output(USAGE) for operator in (received, requests, partials)]
    usage = named(usage_records(reports[0].union(*reports[1:]), settings.usage), "usage")

    statements = tables.create_statement_set()
    write_records(statements, tables, partials, "partials", topics.partials, settings)
    finals = partials.get_side_output(FINALS)
    write_records(statements, tables, finals, "finals", topics.finals, settings, settings.finals)
    write_records(statements, tables, dead_letters, "dead_letters", topics.dead_letters, settings)
    write_records(statements, tables, usage, "usage_minutes", topics.usage, settings)
    statements.attach_as_datastream()
    return env


def environment(settings: JobSettings) -> StreamExecutionEnvironment:
    """An execution environment with this job's settings over those of the cluster."""
    config = Configuration()
    config.set_string("python.execution-mode", settings.execution_mode)
    config.set_string("python.fn-execution.bundle.time", "10")
    config.set_string("execution.buffer-timeout.interval", f"{settings.buffer_timeout_ms} ms")
    config.set_string("execution.checkpointing.interval", f"{settings.checkpoint_interval_ms} ms")
    config.set_string("execution.checkpointing.mode", "EXACTLY_ONCE")
    config.set_string("pipeline.object-reuse", "true")  # no operator here changes what it was given
    config.set_string("table.exec.uid.generation", "ALWAYS")
    env = StreamExecutionEnvironment.get_execution_environment(config)
    env.set_max_parallelism(MAX_PARALLELISM)
    if settings.parallelism:
        env.set_parallelism(settings.parallelism)
    return env


def named(stream: DataStream, name: str) -> DataStream:
    """The name shows in Flink's web page; the uid ties the operator to its state in every later version."""
    return stream.name(name).uid(name)


def by_session(stream: DataStream) -> KeyedStream:
    """Results and markers, keyed by their session's id."""
    return stream.key_by(lambda item: item.session_id, Types.STRING())


def to_lanes(env: StreamExecutionEnvironment) -> Callable[[InferenceRequest], Row]:
    """Gives requests their lane, so that those of many sessions meet in one operator and share its batches."""
    return partial(lane_row, lanes=balanced_lanes(env.get_parallelism(), MAX_PARALLELISM))
