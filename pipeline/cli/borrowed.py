"""The running job for as long as a command needs it: what is missing is started first and stopped again at the end."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Final

from pipeline.adapters.audio_files import ChunkPlan
from pipeline.adapters.kafka import ensure_topics
from pipeline.cli.deploy import JOB_NAME, start_job, start_unremembered_job
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.pacing import Pace
from pipeline.client.recordings import BECKETT, recording
from pipeline.client.sessions import Playback, file_sessions, now
from pipeline.config import KafkaSettings, StackSettings
from pipeline.local.jobs import Jobs
from pipeline.local.stack import Report, Stack, stop_all

WARM_UP_PATIENCE_S: Final = 120.0
"""The first audio after a start meets cold caches, a model to load and a busy machine."""


@contextmanager
def borrowed_job(report: Report, keep: bool = False, arguments: tuple[str, ...] = ()) -> Iterator[KafkaSettings]:
    """The stack with a warm job; afterwards, also after an error or Ctrl-C, everything is as it was found.

    ``keep`` leaves it running; ``arguments`` are those of jobs/transcribe.py where no job runs yet. Raises StackError,
    and BrokerUnreachable if Kafka is elsewhere and does not answer.
    """
    kafka = KafkaSettings.from_environ(os.environ)
    with borrowed_stack(report, keep) as stack:
        ensure_topics(kafka)
        if keep:
            start_job(stack.settings, kafka.bootstrap_servers, arguments)
        else:
            # This job is cancelled in a minute. Were it to go on from the state of the user's own job, that state would
            # be spent; were it remembered, the user's next deploy would go on from here. So it takes no part in either.
            start_unremembered_job(stack.settings, kafka.bootstrap_servers, arguments)
        _warm_up(kafka, report)
        yield kafka


@contextmanager
def borrowed_stack(report: Report, keep: bool = False) -> Iterator[Stack]:
    """The stack without a job; afterwards everything is as it was found, unless ``keep``. Raises StackError."""
    stack = Stack(StackSettings.from_environ(os.environ))
    found = _running(stack)
    try:
        stack.up(report)
        with nullcontext() if keep else _jobs_as_found(stack, report):
            yield stack
    finally:
        if not keep:
            _stop_ours(stack, found, report)


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


@contextmanager
def _jobs_as_found(stack: Stack, report: Report) -> Iterator[None]:
    """Cancels what was deployed meanwhile, also where the JobManager is stopped next: it would come back with the next.

    Jobs that ran when the stack was taken down are back by now, and stay.
    """
    found = _live_jobs(stack)
    try:
        yield
    finally:
        jobs = Jobs(stack.settings)
        for job_id in _live_jobs(stack) - found if stack.rest.answers() else ():
            jobs.cancel(job_id)
            jobs.states(JOB_NAME).drop_checkpoints_of(job_id)
            report(f"cancelled job {job_id}")


def _live_jobs(stack: Stack) -> frozenset[str]:
    return frozenset(job.job_id for job in stack.rest.jobs() if not job.is_over)


def _running(stack: Stack) -> frozenset[str]:
    return frozenset(process.name for process in stack.processes() if process.pid() is not None)


def _stop_ours(stack: Stack, found: frozenset[str], report: Report) -> None:
    """Stops the processes that did not run before, and nothing else."""
    ours = [process for process in stack.processes() if process.pid() is not None and process.name not in found]
    stop_all(ours)
    if ours:
        report(f"stopped {', '.join(process.name for process in ours)}")
