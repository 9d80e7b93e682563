"""Processes that outlive their starter: found again, ended with their children, not confused with strangers."""

import os
import signal
import sys
from pathlib import Path

import pytest

from pipeline.errors import StackError
from pipeline.local.process import Process, session_members, start_time, wait_until

SLEEP = ["sleep", "60"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]
PARENT_OF_TWO = ["bash", "-c", "sleep 60 & sleep 60 & wait"]


def process(folder: Path) -> Process:
    return Process("sleeper", folder / "run" / "sleeper.pid", folder / "logs" / "sleeper.log")


def test_a_started_process_is_found_by_its_pid_file(tmp_path: Path) -> None:
    pid = process(tmp_path).start(SLEEP, os.environ)
    assert process(tmp_path).pid() == pid
    process(tmp_path).stop()


def test_stopping_ends_the_process_and_removes_the_pid_file(tmp_path: Path) -> None:
    pid = process(tmp_path).start(SLEEP, os.environ)
    process(tmp_path).stop()
    assert start_time(pid) is None
    assert not process(tmp_path).pid_file.exists()


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    process(tmp_path).start(SLEEP, os.environ)
    process(tmp_path).stop()
    process(tmp_path).stop()


def test_a_process_deaf_to_sigterm_is_ended_by_force_after_its_grace(tmp_path: Path) -> None:
    pid = process(tmp_path).start(STUBBORN, os.environ)
    assert wait_until(lambda: process(tmp_path).last_lines() == ["deaf"], timeout_s=10)
    process(tmp_path).stop(grace_s=0.2)
    assert start_time(pid) is None


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    pid = process(tmp_path).start(PARENT_OF_TWO, os.environ)
    assert wait_until(lambda: len(session_members(pid)) == 3, timeout_s=10)
    process(tmp_path).stop()
    assert wait_until(lambda: session_members(pid) == [], timeout_s=10)


def test_children_of_a_parent_that_was_killed_are_ended_too(tmp_path: Path) -> None:
    pid = process(tmp_path).start(PARENT_OF_TWO, os.environ)
    assert wait_until(lambda: len(session_members(pid)) == 3, timeout_s=10)
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: process(tmp_path).pid() is None, timeout_s=10)
    process(tmp_path).stop()
    assert wait_until(lambda: session_members(pid) == [], timeout_s=10)


def test_a_stale_pid_file_whose_pid_was_given_to_another_process_is_seen_through(tmp_path: Path) -> None:
    stranger = Process("stranger", tmp_path / "stranger.pid", tmp_path / "stranger.log")
    pid = stranger.start(SLEEP, os.environ)
    process(tmp_path).pid_file.parent.mkdir()
    process(tmp_path).pid_file.write_text(f"{pid} 1\n")
    process(tmp_path).stop()
    assert stranger.pid() == pid
    stranger.stop()


@pytest.mark.parametrize("content", ["", "12", "twelve 1\n", "999999999 1\n"])
def test_a_damaged_pid_file_means_that_nothing_runs(tmp_path: Path, content: str) -> None:
    process(tmp_path).pid_file.parent.mkdir()
    process(tmp_path).pid_file.write_text(content)
    assert process(tmp_path).pid() is None


def test_what_a_process_prints_is_in_its_log(tmp_path: Path) -> None:
    process(tmp_path).start(["sh", "-c", "echo one; echo two >&2; sleep 60"], os.environ)
    assert wait_until(lambda: process(tmp_path).last_lines(1) == ["two"], timeout_s=10)
    process(tmp_path).stop()


def test_a_command_that_does_not_exist_is_reported_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="sleeper cannot be started: /no/such/command: No such file"):
        process(tmp_path).start(["/no/such/command"], os.environ)
