"""What the voxflow command does with settings, with errors, and with Ctrl-C; and that its help is quick."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import SUBCOMMANDS, main
from pipeline.cli.stack import job_lines
from pipeline.local.process import wait_until
from pipeline.local.rest import Job


def voxflow(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, arguments, env=variables)


def test_status_of_a_stack_that_is_down_says_so_and_fails(tmp_path: Path) -> None:
    result = voxflow("status", VOXFLOW_HOME=str(tmp_path))
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [
        ["kafka", "stopped"],
        ["zookeeper", "stopped"],
        ["jobmanager", "stopped"],
        ["taskmanager-1", "stopped"],
        ["redis", "stopped"],
        ["elasticsearch", "stopped"],
    ]
    assert (result.exit_code, result.stderr) == (1, "start what is missing with: voxflow up\n")


def test_down_without_a_stack_is_harmless(tmp_path: Path) -> None:
    result = voxflow("down", VOXFLOW_HOME=str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "nothing was running\n")


def test_an_expected_error_is_one_line_on_standard_error_and_exit_code_1() -> None:
    result = voxflow("status", VOXFLOW_SLOTS="many")
    assert result.stderr == "voxflow: VOXFLOW_SLOTS='many' is not a whole number; unset it to use 2\n"
    assert (result.exit_code, result.stdout) == (1, "")


def test_logs_of_an_unknown_service_name_the_services_that_have_one(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kafka.log").write_text("started\n")
    result = voxflow("logs", "mistyped", VOXFLOW_HOME=str(tmp_path))
    assert (result.exit_code, result.stderr.partition("; ")[2]) == (1, "there are: kafka\n")


def test_logs_show_as_many_lines_as_were_asked_for(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kafka.log").write_text("one\ntwo\nthree\n")
    result = voxflow("logs", "kafka", "-n", "2", VOXFLOW_HOME=str(tmp_path))
    assert result.stdout.splitlines()[1:] == ["two", "three"]


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_command_that_help_lists_exists_and_explains_itself(name: str) -> None:
    result = voxflow(name, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4


def test_help_imports_no_subcommand() -> None:
    code = "import sys; from click.testing import CliRunner; from pipeline.cli import main; "
    code += "CliRunner().invoke(main, ['--help']); print([n for n in sys.modules if n.startswith('pipeline.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['pipeline.errors', 'pipeline.cli']"


def test_ctrl_c_ends_a_command_with_exit_code_130_and_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kafka.log").write_text("started\n")
    # Whoever runs the tests in the background may have them ignore Ctrl-C, and what they start as well.
    heeding = ["/usr/bin/env", "--default-signal=INT"]
    command = [*heeding, sys.executable, "-c", "from pipeline.cli import main; main()", "logs", "kafka", "-f"]
    with (tmp_path / "shown").open("w") as shown:
        following = subprocess.Popen(command, env={"VOXFLOW_HOME": str(tmp_path)}, stdout=shown, stderr=shown)
        assert wait_until(lambda: "started" in (tmp_path / "shown").read_text(), timeout_s=20)
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=20) == 130
    assert "Traceback" not in (tmp_path / "shown").read_text()


def test_status_names_the_jobs_that_are_not_over_and_how_to_start_one() -> None:
    jobs = [Job("2" * 32, "voxflow-transcribe", "RUNNING"), Job("1" * 32, "voxflow-transcribe", "CANCELED")]
    assert job_lines(jobs) == f"job voxflow-transcribe is running: {'2' * 32}"
    assert "voxflow deploy" in job_lines(jobs[1:])
