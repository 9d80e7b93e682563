"""The few calls of Flink's REST interface that the local stack needs."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import StackError

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the cluster; ``state`` is Flink's word, such as RUNNING or CANCELED."""

    job_id: str
    name: str
    state: str

    @property
    def is_over(self) -> bool:
        """Whether it will never run again. One that is SUSPENDED comes back with the JobManager that leads next."""
        return self.state in {"CANCELED", "FAILED", "FINISHED"}


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A savepoint that was asked for: once it is over, its location, or else why there is none."""

    is_over: bool
    location: str | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class FlinkRest:
    """Flink's REST interface at http://localhost:port."""

    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def answers(self) -> bool:
        """Whether the JobManager serves requests."""
        try:
            self._call("GET", "/overview")
        except StackError:
            return False
        return True

    def task_managers(self) -> set[str]:
        """The resource ids of the TaskManagers that are registered; none while the JobManager does not answer."""
        try:
            return {manager["id"] for manager in self._call("GET", "/taskmanagers")["taskmanagers"]}
        except StackError:
            return set()

    def jobs(self) -> list[Job]:
        """All jobs the cluster remembers, the latest first. Raises StackError."""
        jobs = sorted(self._call("GET", "/jobs/overview")["jobs"], key=lambda job: -int(job["start-time"]))
        return [Job(job["jid"], job["name"], job["state"]) for job in jobs]

    def all_tasks_run(self, job_id: str) -> bool:
        """Whether every task of the job runs: the job itself says RUNNING before its tasks do. Raises StackError."""
        vertices = self._call("GET", f"/jobs/{job_id}")["vertices"]
        return bool(vertices) and all(vertex["status"] == "RUNNING" for vertex in vertices)

    def failures(self, job_id: str) -> list[str]:
        """Why the job failed, once for each restart, the latest first. Raises StackError."""
        entries = self._call("GET", f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return [cause(entry["stacktrace"]) for entry in entries]

    def completed_checkpoints(self, job_id: str) -> int:
        """How many checkpoints of the job are complete. Raises StackError."""
        return int(self._call("GET", f"/jobs/{job_id}/checkpoints")["counts"]["completed"])

    def cancel(self, job_id: str) -> None:
        """Asks for the end of a job, without waiting. Raises StackError."""
        self._call("PATCH", f"/jobs/{job_id}?mode=cancel")

    def stop_with_savepoint(self, job_id: str, folder: Path) -> str:
        """Asks for a savepoint below ``folder`` and the job's end with it, without waiting; the request's id.

        Raises StackError.
        """
        body = {"targetDirectory": folder.as_uri(), "drain": False}
        return str(self._call("POST", f"/jobs/{job_id}/stop", body)["request-id"])

    def savepoint(self, job_id: str, request_id: str) -> Savepoint:
        """How far the savepoint is. Raises StackError."""
        answer = self._call("GET", f"/jobs/{job_id}/savepoints/{request_id}")
        operation = answer.get("operation") or {}
        failure = operation.get("failure-cause")
        return Savepoint(
            is_over=answer["status"]["id"] == "COMPLETED",
            location=operation.get("location"),
            failure=failure and cause(failure["stack-trace"]),
        )

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise StackError(f"Flink refused {method} {path} with status {error.code}: {complaint(error)}") from error
        except (OSError, ValueError) as error:
            raise StackError(f"Flink does not answer at {self.url}; start it with: voxflow up") from error


def complaint(error: urllib.error.HTTPError) -> str:
    """What Flink says in the body of a refusal, in one line."""
    try:
        return cause("\n".join(json.load(error)["errors"]))
    except (OSError, ValueError, KeyError):
        return "it gave no reason"


def cause(stacktrace: str) -> str:
    """The first line of a Java stack trace, and its innermost cause where there is one."""
    lines = stacktrace.splitlines()
    causes = [line.strip() for line in lines if line.startswith("Caused by")]
    return " ".join([*lines[:1], *causes[-1:]])
