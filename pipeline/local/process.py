"""Processes that outlive the command that starts them, each in a session of its own, remembered by a pid file.

A pid file holds the pid and the process's start time in clock ticks since boot (field 22 of /proc/PID/stat), so that a
file left behind is not mistaken for the unrelated process that got the same pid later.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StackError

POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """A named process, its pid file and the file that receives what it prints."""

    name: str
    pid_file: Path
    log: Path

    def pid(self) -> int | None:
        """The pid, when the process that was started is still alive."""
        pid, started = recorded(self.pid_file)
        return pid if pid is not None and start_time(pid) == started else None

    def start(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Starts ``command`` detached from the terminal and returns its pid. Raises StackError."""
        for path in (self.pid_file, self.log):
            path.parent.mkdir(parents=True, exist_ok=True)
        pid = detached(self.name, command, environ, self.log)
        self.pid_file.write_text(f"{pid} {start_time(pid)}\n")
        return pid

    def terminate(self) -> None:
        """Asks the process and its children to end, without waiting."""
        pid = self.pid()
        if pid is not None:
            send(signal.SIGTERM, pid)

    def stop(self, grace_s: float = 15.0) -> None:
        """Ends the process and its children, by force when ``grace_s`` seconds were not enough. Raises StackError."""
        self.terminate()
        if not wait_until(lambda: self.pid() is None, grace_s):
            send(signal.SIGKILL, self.pid())
        leader, _ = recorded(self.pid_file)
        self._end_children(leader)
        if not wait_until(lambda: self.pid() is None, 5.0):
            raise StackError(f"{self.name} (pid {leader}) survived SIGKILL; look at it with: ps -fp {leader}")
        self.pid_file.unlink(missing_ok=True)

    def last_lines(self, count: int = 15) -> list[str]:
        """The end of the log; empty when there is none."""
        try:
            return self.log.read_text(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def _end_children(self, leader: int | None) -> None:
        """Children live in the session named after their leader; a pid is not given out again while it is in use."""
        if leader is not None and start_time(leader) is None:
            for child in session_members(leader):
                send_one(signal.SIGKILL, child)


def recorded(pid_file: Path) -> tuple[int | None, int | None]:
    """Pid and start time (clock ticks since boot) from the file; nothing when it is absent or damaged."""
    try:
        pid, started = pid_file.read_text().split()
        return int(pid), int(started)
    except (FileNotFoundError, ValueError):
        return None, None


def detached(name: str, command: Sequence[str], environ: Mapping[str, str], log: Path) -> int:
    """Starts ``command`` in a new session, its output appended to ``log``; the pid."""
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                command,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"{name} cannot be started: {command[0]}: {error.strerror}") from error
    return child.pid


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is dead or a zombie."""
    fields = stat_fields(pid)
    reap(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def stat_fields(pid: int) -> list[str]:
    """/proc/PID/stat from the third field, the state, on; the second may contain blanks. Empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def reap(pid: int) -> None:
    """Lets a zombie of ours go; a process of another command is its own parent's, or init's, to reap."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def session_members(session: int) -> list[int]:
    """The pids of all living processes of a session."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if (fields := stat_fields(pid)) and int(fields[3]) == session and fields[0] != "Z"]


def send(number: signal.Signals, leader: int | None) -> None:
    """Signals every process of the leader's session."""
    if leader is not None:
        for pid in session_members(leader):
            send_one(number, pid)


def send_one(number: signal.Signals, pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(done: Callable[[], bool], timeout_s: float) -> bool:
    """Polls ``done``; False when it did not come true within ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
