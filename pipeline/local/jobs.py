"""Jobs on the local cluster: submit one, wait for it, stop it, go on from where it stopped."""

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
from pipeline.local.states import States, state_at

SUBMIT_TIMEOUT_S = 180.0
RUNNING_TIMEOUT_S = 120.0
CANCEL_TIMEOUT_S = 30.0
SAVEPOINT_TIMEOUT_S = 180.0
HOPELESS_FAILURES = 3
ERROR = re.compile(r"^(?:\S+: )?[\w.]*(?:[Ee]rror|Exception): .*", re.MULTILINE)
REFUSED_STATE = re.compile(r"Failed to rollback to checkpoint/savepoint \S+\. (.+?)(?:\. |\.?$)", re.MULTILINE)
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

    def submit(self, script: Path, arguments: Sequence[str], state: str | None = None) -> str:
        """Runs a PyFlink script's main in a client of its own, detached; the job's id. Raises StackError.

        ``state`` is the path, or Flink's file URL, of the checkpoint or savepoint to start from. A checkpoint is then
        the new job's, which deletes it once it has newer ones; a savepoint stays.
        """
        restored = [] if state is None else restoring(state)
        output = self._client([flink.client(), "run", "-d", *restored, "-py", str(script), *arguments])
        if (refused := refusal(output)) is not None:
            raise StackError(
                f"Flink cannot start {script.name} from {state}: {refused}; deploy the release that wrote this "
                "state, or start without it with: voxflow deploy --fresh"
            )
        if (submitted := SUBMITTED.search(output)) is None:
            raise StackError(f"{script} submitted no job: {reason(output)}; its whole output is in {self.log}")
        return submitted[1]

    def states(self, name: str) -> States:
        """What the jobs of that name left behind."""
        return States(self.settings.home / "flink", name)

    def stop_with_savepoint(self, job_id: str) -> str:
        """Stops the job with its whole state in a savepoint; the savepoint's path. Raises StackError with the reason.

        The job goes on running when it fails.
        """
        names = {job.job_id: job.name for job in self.rest.jobs()}
        if job_id not in names:
            raise StackError(f"Flink knows no job {job_id}; see which ones run with: voxflow status")
        request = self.rest.stop_with_savepoint(job_id, self.states(names[job_id]).savepoints_of(job_id))
        wait_until(lambda: self.rest.savepoint(job_id, request).is_over, SAVEPOINT_TIMEOUT_S)
        savepoint = self.rest.savepoint(job_id, request)
        if savepoint.location is None:
            why = savepoint.failure or f"it was not complete within {SAVEPOINT_TIMEOUT_S:.0f} s"
            raise StackError(
                f"job {job_id} took no savepoint and was not stopped: {why}; end it without one with: "
                "voxflow deploy --cancel"
            )
        self._await_end(job_id)
        return str(state_at(savepoint.location).path)

    def await_running(self, job_id: str) -> None:
        """Waits until all tasks of the job run; cancels a job that does not. Raises StackError with its failure."""
        before = self._failures_so_far(job_id)
        wait_until(lambda: self._is_decided(job_id, before), RUNNING_TIMEOUT_S)
        if self.rest.all_tasks_run(job_id):
            return
        failures = self.rest.failures(job_id) or [f"its tasks did not start within {RUNNING_TIMEOUT_S:.0f} s"]
        if not self._is_over(job_id):
            self.cancel(job_id)
        raise StackError(f"job {job_id} does not run: {failures[0]}; look for more with: voxflow logs taskmanager-1")

    def cancel(self, job_id: str) -> None:
        """Cancels the job and waits for its end. Raises StackError."""
        self.rest.cancel(job_id)
        self._await_end(job_id)

    @property
    def log(self) -> Path:
        return self.settings.home / "logs" / "submit.log"

    def _await_end(self, job_id: str) -> None:
        if not wait_until(lambda: self._is_over(job_id), CANCEL_TIMEOUT_S):
            raise StackError(f"job {job_id} is still not over {CANCEL_TIMEOUT_S:.0f} s after it was told to end")

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

    def _failures_so_far(self, job_id: str) -> int:
        """None while no JobManager leads: the next one counts from the beginning."""
        try:
            return len(self.rest.failures(job_id))
        except StackError:
            return 0

    def _is_decided(self, job_id: str, before: int) -> bool:
        """Whether the job runs, or never will; neither while no JobManager leads, or has not found its jobs yet."""
        try:
            return self.rest.all_tasks_run(job_id) or self._is_hopeless(job_id, before)
        except StackError:
            return False

    def _is_hopeless(self, job_id: str, before: int) -> bool:
        return self._is_over(job_id) or len(self.rest.failures(job_id)) - before >= HOPELESS_FAILURES

    def _is_over(self, job_id: str) -> bool:
        return all(job.is_over for job in self.rest.jobs() if job.job_id == job_id)


def restoring(state: str) -> list[str]:
    """The client's options that start a job from a state. Raises StackError if it is not complete."""
    found = state_at(state)
    return ["-s", found.path.as_uri(), "-claimMode", "CLAIM" if found.is_checkpoint else "NO_CLAIM"]


def refusal(output: str) -> str | None:
    """Why Flink did not take the state that it was to start from; None where it did."""
    found = REFUSED_STATE.search(output)
    return found and found[1]


def reason(output: str) -> str:
    """The first error that the script, or else Flink's client, named at the start of a line."""
    found = ERROR.search(output)
    return found[0] if found else "it gave no reason"
