"""The job as it is measured: the local stack without the views, the model of every day, a silence of 200 ms."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from perf.cpu import CpuTime
from pipeline.cli.borrowed import borrowed_job
from pipeline.cli.deploy import JOB_NAME
from pipeline.config import KafkaSettings, StackSettings
from pipeline.domain.endpointing import EndpointingSettings
from pipeline.domain.session import SessionSettings
from pipeline.domain.track import TrackSettings
from pipeline.local.jobs import Jobs
from pipeline.local.running_job import RunningJob
from pipeline.local.stack import Report, Stack
from pipeline.observability import metrics

SILENCE_MS: Final = 200
ARGUMENTS: Final = ("--silence-ms", str(SILENCE_MS))
TASK_MANAGER: Final = "taskmanager-1"
SHED: Final = (
    metrics.PARTIALS_REPLACED,
    metrics.PARTIALS_LATE,
    metrics.PARTIALS_CROWDED,
    metrics.PARTIALS_DISTRUSTED,
)
COUNTED: Final = (metrics.REQUESTS, metrics.PARTIALS, metrics.BATCHES, *SHED)
CLIENT_NICENESS: Final = -10
FETCH_S: Final = 1.5
"""Flink's REST interface answers with what it knows and asks the TaskManagers for news meanwhile."""


def session_settings() -> SessionSettings:
    """Those of the measured job's sessions."""
    endpointing = EndpointingSettings.ending_after(SILENCE_MS)
    return replace(SessionSettings(), track=replace(TrackSettings(), endpointing=endpointing))


@dataclass(frozen=True, slots=True)
class MeasuredJob:
    """The running job, and the processes around it."""

    stack: Stack
    kafka: KafkaSettings
    running: RunningJob

    def cpu(self) -> CpuTime:
        return CpuTime.taken(self.stack)

    def counters(self) -> dict[str, int]:
        """What became of requests since the job began; as it is now, if nobody asked in the last ten seconds."""
        self.running.counted("inference", COUNTED)
        time.sleep(FETCH_S)
        return self.running.counted("inference", COUNTED)


@contextmanager
def measured_job(report: Report) -> Iterator[MeasuredJob]:
    """The job, started and warmed up if none runs, as it was found afterwards. Raises StackError."""
    with borrowed_job(report, arguments=ARGUMENTS) as kafka:
        stack = Stack(StackSettings.from_environ(os.environ))
        job = Jobs(stack.settings).running(JOB_NAME)
        assert job is not None, "a job that was borrowed runs"
        step_forward()
        yield MeasuredJob(stack, kafka, RunningJob(stack.rest.url, job.job_id))


def step_forward() -> None:
    """Puts this thread, and those it starts from now on, before the servers where the system allows it.

    A client that waits for a core behind the servers would blame its own wait on them; listeners have other machines.
    """
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, CLIENT_NICENESS)


def engine_work(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, float | int | None]:
    """Between two readings: how many requests came, what was shed of partials, and the mean batch of what was run."""
    gone = {name: after[name] - before[name] for name in COUNTED}
    shed = sum(gone[name] for name in SHED)
    batches = gone[metrics.BATCHES]
    return {
        "requests": gone[metrics.REQUESTS],
        "partials": gone[metrics.PARTIALS],
        "partials_shed": shed,
        "batches": batches,
        "mean_batch": round((gone[metrics.REQUESTS] - shed) / batches, 2) if batches else None,
    }
