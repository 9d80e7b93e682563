"""The system that is hurt: a stack of its own with the job on it, and the ways to hurt it."""

import json
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pipeline.adapters.kafka import ensure_topics
from pipeline.config import KafkaSettings, StackSettings
from pipeline.errors import StackError
from pipeline.local import elasticsearch, flink, flink_options, kafka, redis, zookeeper
from pipeline.local.jobs import Jobs
from pipeline.local.process import wait_until
from pipeline.local.stack import Report, Stack
from tests.chaos.disk import unmount
from tests.conftest import processes_of, stack_settings

TRANSCRIBE: Final = Path(__file__).parents[2] / "jobs" / "transcribe.py"
TASK_MANAGER: Final = "taskmanager-1"
JOB_MANAGER: Final = flink.JOB_MANAGER
KAFKA: Final = kafka.NAME
ZOOKEEPER: Final = zookeeper.NAME
PATIENCE_S: Final = 60.0
REST_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the job runs: arguments of its script, and environment variables of its TaskManagers and its client."""

    arguments: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


PLAIN: Final = Deployment()
"""The job as users have it."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What Flink says of a job's checkpoints: the sizes of the latest complete one and of the largest, 0 before the
    first.
    """

    completed: int
    failed: int
    latest_bytes: int
    largest_bytes: int


class Cluster:
    """Kafka and Flink with one job; not for several threads at once but for what only reads."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.jobs = Jobs(stack.settings)
        self.kafka = KafkaSettings(f"localhost:{stack.settings.kafka_port}")
        self._environ: Mapping[str, str] | None = {}  # of the TaskManagers; None where a restart failed
        self._deployment: Deployment | None = None
        self._job_id: str | None = None

    @property
    def job_id(self) -> str:
        """Of the job that was deployed last."""
        assert self._job_id is not None, "deploy comes first"
        return self._job_id

    def deploy(self, deployment: Deployment) -> None:
        """Has the job run as asked, anew unless it already does. Raises StackError."""
        self.stack.up(_quietly)
        if self._deployment == deployment and self.job_runs():
            return
        self.withdraw()
        with environment(deployment.environ):
            if self._environ != deployment.environ:
                self._environ = None
                self.stack.restart_task_managers(_quietly)
                self._environ = deployment.environ
            self._submit(deployment)
        self._deployment = deployment

    def withdraw(self) -> None:
        """Cancels the job, if there is one. Raises StackError."""
        for job in self.jobs.rest.jobs():
            if not job.is_over:
                self.jobs.cancel(job.job_id)
        self._job_id = None

    def rescale(self, parallelism: int) -> None:
        """Stops the job with a savepoint and goes on from it with so many subtasks. Raises StackError."""
        assert self._deployment is not None, "deploy comes first"
        state = self.jobs.stop_with_savepoint(self.job_id)
        self._submit(self._deployment, "--parallelism", str(parallelism), state=state)

    def kill(self, *names: str) -> None:
        """The processes die without a word and start again at once, as under a supervisor. Raises StackError."""
        processes = [flink.process(self.stack.settings, name) for name in names]
        for process in processes:
            os.killpg(_alive(process.pid(), process.name), signal.SIGKILL)
        if not wait_until(lambda: all(process.pid() is None for process in processes), PATIENCE_S):
            raise StackError(f"{' and '.join(names)} survived SIGKILL: look with ps -ef")
        self.stack.up(_quietly)

    def freeze(self, name: str, seconds: float) -> None:
        """The process stands still for a while, as on a machine that stalls. Raises StackError."""
        pid = _alive(flink.process(self.stack.settings, name).pid(), name)
        os.killpg(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.killpg(pid, signal.SIGCONT)

    def await_running(self) -> None:
        """Returns when every task of the job runs. Raises StackError when that takes too long."""
        if not wait_until(self.job_runs, PATIENCE_S):
            raise StackError(f"the job does not run {PATIENCE_S:.0f} s later: see {self.stack.settings.home / 'logs'}")

    def await_checkpoints(self, completed: int) -> None:
        """Returns when so many more checkpoints are complete. Raises StackError when that takes too long."""
        wanted = self.checkpoints().completed + completed
        if not wait_until(lambda: self.checkpoints().completed >= wanted, PATIENCE_S):
            raise StackError(f"no {completed} checkpoints within {PATIENCE_S:.0f} s: {self.checkpoints()}")

    def job_runs(self) -> bool:
        """Whether every task of the job runs; not while no JobManager answers."""
        try:
            return self._job_id is not None and self.jobs.rest.all_tasks_run(self._job_id)
        except StackError:
            return False

    def failures(self) -> int:
        """How often the job has failed and started again, as far as the JobManager remembers. Raises StackError."""
        return len(self.jobs.rest.failures(self.job_id))

    def checkpoints(self) -> Checkpoints:
        """Since the JobManager began to watch over the job. Raises StackError."""
        found = self._asked(f"/jobs/{self.job_id}/checkpoints")
        latest = found["latest"]["completed"] or {"state_size": 0}
        largest_bytes = int(found["summary"]["state_size"]["max"])
        return Checkpoints(found["counts"]["completed"], found["counts"]["failed"], latest["state_size"], largest_bytes)

    def _submit(self, deployment: Deployment, *more: str, state: str | None = None) -> None:
        arguments = ["--bootstrap-servers", self.kafka.bootstrap_servers, *deployment.arguments, *more]
        self._job_id = self.jobs.submit(TRANSCRIBE, arguments, state)
        self.jobs.await_running(self._job_id)

    def _asked(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(self.jobs.rest.url + path, timeout=REST_TIMEOUT_S) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise StackError(f"Flink does not answer {path}: {error}") from error


@contextmanager
def cluster_in(home: Path, report: Report) -> Iterator[Cluster]:
    """Kafka and Flink in an empty ``home``, logs and all, taken down in the end without a process left behind.

    What a killed run left there goes first. Raises StackError.
    """
    settings = replace(
        stack_settings(home), without=frozenset({redis.NAME, elasticsearch.NAME}), checkpoint_interval_ms=2_000
    )
    stack = Stack(settings)
    stack.down(report)
    unmount(checkpoint_folder(settings))
    shutil.rmtree(home, ignore_errors=True)
    try:
        stack.up(report)
        cluster = Cluster(stack)
        ensure_topics(cluster.kafka)
        yield cluster
    finally:
        stack.down(report)
    if left := processes_of(home):
        raise StackError(f"{len(left)} processes were left behind: {left[0]}")


def checkpoint_folder(settings: StackSettings) -> Path:
    return flink_options.folder(settings, "checkpoints")


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with these variables set, for processes that inherit it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _quietly(line: str) -> None:
    """What starts again and again in a trial is no news."""


def _alive(pid: int | None, name: str) -> int:
    if pid is None:
        raise StackError(f"{name} does not run, so it cannot be hurt: see its log")
    return pid
