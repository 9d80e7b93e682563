"""Jobs on the local cluster: submit one, wait for it, stop it."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import StackSettings
from pipeline.errors import StackError
from pipeline.local import flink
from pipeline.local.process import wait_until
from pipeline.local.rest import FlinkRest, Job

SUBMIT_TIMEOUT_S = 180.0
RUNNING_TIMEOUT_S = 120.0
CANCEL_TIMEOUT_S = 30.0
HOPELESS_FAILURES = 3
NO_TASK_MANAGER = "NoResourceAvailableException"
ERROR = re.compile(r"^(?:\S+: )?[\w.]*(?:[Ee]rror|Exception): .*", re.MULTILINE)
SUBMITTED = re.compile(r"JobID ([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of the cluster that the settings describe."""

    settings: StackSettings

    @property
    def rest(self) -> FlinkRest:
        return FlinkRest(self.settings.flink_rest_port)

    def running(self, name: str) -> Job | None:
        """The job of that name that is not over. Raises StackError."""
        return next((job for job in self.rest.jobs() if job.name == name and not job.is_over), None)

    def submit(self, script: Path, arguments: Sequence[str]) -> str:
        """Runs a PyFlink script's main in a client of its own, detached; the job's id. Raises StackError."""
        command = [flink.script("flink"), "run", "-d", "-py", str(script), *arguments]
        output = self._client(command)
        found = SUBMITTED.search(output)
        if found is None:
            raise StackError(f"{script} submitted no job: {reason(output)}; its whole output is in {self.log}")
        return found[1]

    def await_running(self, job_id: str) -> None:
        """Waits until all tasks of the job run; cancels a job that does not. Raises StackError with its failure."""
        before = self._own_failures(job_id)
        wait_until(lambda: self.rest.all_tasks_run(job_id) or self._is_hopeless(job_id, before), RUNNING_TIMEOUT_S)
        if self.rest.all_tasks_run(job_id):
            return
        failures = self.rest.failures(job_id) or [f"its tasks did not start within {RUNNING_TIMEOUT_S:.0f} s"]
        if not self._is_over(job_id):
            self.cancel(job_id)
        raise StackError(f"job {job_id} does not run: {failures[0]}; look for more with: voxflow logs taskmanager-1")

    def cancel(self, job_id: str) -> None:
        """Cancels the job and waits for its end. Raises StackError."""
        self.rest.cancel(job_id)
        if not wait_until(lambda: self._is_over(job_id), CANCEL_TIMEOUT_S):
            raise StackError(f"job {job_id} is still not over {CANCEL_TIMEOUT_S:.0f} s after it was cancelled")

    @property
    def log(self) -> Path:
        return self.settings.home / "logs" / "submit.log"

    def _client(self, command: Sequence[str]) -> str:
        """What the client printed, kept in the log. Raises StackError."""
        environ = flink.environment(self.settings)
        try:
            run = subprocess.run(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SUBMIT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"the job was not submitted within {SUBMIT_TIMEOUT_S:.0f} s: {error.cmd}") from error
        self.log.write_text(run.stdout)
        return run.stdout

    def _is_hopeless(self, job_id: str, before: int) -> bool:
        return self._is_over(job_id) or self._own_failures(job_id) - before >= HOPELESS_FAILURES

    def _own_failures(self, job_id: str) -> int:
        """How often it failed, but for want of a TaskManager: one that is starting ends that by itself."""
        return sum(NO_TASK_MANAGER not in failure for failure in self.rest.failures(job_id))

    def _is_over(self, job_id: str) -> bool:
        return all(job.is_over for job in self.rest.jobs() if job.job_id == job_id)


def reason(output: str) -> str:
    """The first error that the script, or else Flink's client, named at the start of a line."""
    found = ERROR.search(output)
    return found[0] if found else "it gave no reason"
