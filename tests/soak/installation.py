"""The transcription job on a stack that somebody else brought up, for as long as it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.config import KafkaSettings
from pipeline.local.jobs import Jobs
from pipeline.local.running_job import RunningJob
from pipeline.local.stack import Stack
from tests.chaos.cluster import TRANSCRIBE


@contextmanager
def deployed(stack: Stack, kafka: KafkaSettings, *arguments: str) -> Iterator[RunningJob]:
    """The job, running."""
    jobs = Jobs(stack.settings)
    job_id = jobs.submit(TRANSCRIBE, ["--bootstrap-servers", kafka.bootstrap_servers, *arguments])
    try:
        jobs.await_running(job_id)
        yield RunningJob(stack.rest.url, job_id)
    finally:
        jobs.cancel(job_id)
