"""The running job for as long as a command needs it: what is missing is started first and stopped again at the end."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from pipeline.adapters.audio_files import ChunkPlan
from pipeline.adapters.kafka import ensure_topics
from pipeline.cli.deploy import start_job
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.pacing import Pace
from pipeline.client.recordings import BECKETT, recording
from pipeline.client.sessions import Playback, file_sessions, now
from pipeline.config import KafkaSettings, StackSettings
from pipeline.local import flink
from pipeline.local.jobs import Jobs
from pipeline.local.stack import STOP_GRACE_S, Report, Stack

WARM_UP_PATIENCE_S: Final = 120.0
"""The first audio after a start meets cold caches, a model to load and a busy machine."""


@dataclass(frozen=True, slots=True)
class Found:
    """What ran before the command came: the processes of the stack by name, and the jobs by id."""

    processes: frozenset[str]
    jobs: frozenset[str]


@contextmanager
def borrowed_job(report: Report, keep: bool = False) -> Iterator[KafkaSettings]:
    """The stack with a warm job; afterwards, also after an error or Ctrl-C, everything is as it was found.

    ``keep`` leaves it running. Raises StackError, and BrokerUnreachable if Kafka is elsewhere and does not answer.
    """
    kafka = KafkaSettings.from_environ(os.environ)
    with borrowed_stack(report, keep) as stack:
        ensure_topics(kafka)
        start_job(stack.settings, kafka.bootstrap_servers, ())
        _warm_up(kafka, report)
        yield kafka


@contextmanager
def borrowed_stack(report: Report, keep: bool = False) -> Iterator[Stack]:
    """The stack without a job; afterwards everything is as it was found, unless ``keep``. Raises StackError."""
    stack = Stack(StackSettings.from_environ(os.environ))
    found = _found(stack)
    try:
        stack.up(report)
        yield stack
    finally:
        if not keep:
            _give_back(stack, found, report)


def _found(stack: Stack) -> Found:
    running = frozenset(process.name for process in stack.processes() if process.pid() is not None)
    jobs = _live_jobs(stack) if stack.rest.answers() else frozenset()
    return Found(running, jobs)


def _live_jobs(stack: Stack) -> frozenset[str]:
    return frozenset(job.job_id for job in stack.rest.jobs() if not job.is_over)


def _warm_up(kafka: KafkaSettings, report: Report) -> None:
    """Plays a short recording once: then every process has loaded its model and met every kind of record."""
    report("warming up with ten seconds of speech")
    files = Playback(file_sessions([recording(BECKETT)]), ChunkPlan(tenant="warm-up"), Pace.FAST)
    with (
        kafka_transcriber(kafka, files.session_ids, WARM_UP_PATIENCE_S) as transcriber,
        closing(transcriber(files.chunks(now()))) as transcripts,
    ):
        heard = sum(transcript.is_final for transcript in transcripts)
    report(f"warm: {heard} segments recognised")


def _give_back(stack: Stack, found: Found, report: Report) -> None:
    """Cancels what was deployed and stops what was started, and nothing else."""
    ours = [
        process for process in stack.processes() if process.pid() is not None and process.name not in found.processes
    ]
    stops_jobs = any(process.name == flink.JOB_MANAGER for process in ours)
    if not stops_jobs and stack.rest.answers():
        for job_id in _live_jobs(stack) - found.jobs:
            Jobs(stack.settings).cancel(job_id)
            report(f"cancelled job {job_id}")
    for process in ours:
        process.terminate()
    for process in ours:
        process.stop(STOP_GRACE_S)
    if ours:
        report(f"stopped {', '.join(process.name for process in ours)}")
