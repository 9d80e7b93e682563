"""What Flink's client is told and says."""

from pathlib import Path

import pytest

from pipeline.local.jobs import reason, refusal, restoring
from pipeline.local.rest import Job

REFUSED = """\
Caused by: org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.
	at org.apache.flink.runtime.jobmaster.DefaultJobMasterServiceProcess.lambda$new$0
Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint file:/home/flink/savepoints/x. \
Cannot map state for operator c27d to the new program, because the operator is not available in the new program. \
If you want to allow to skip this, you can set the --allowNonRestoredState option on the CLI.
"""


def test_why_a_state_was_refused_is_told_without_flinks_own_cure() -> None:
    expected = "Cannot map state for operator c27d to the new program, because the operator is not available in the new"
    assert refusal(REFUSED) == f"{expected} program"


def test_a_client_that_failed_otherwise_refused_no_state() -> None:
    assert refusal("Caused by: java.net.ConnectException: Connection refused") is None


def test_the_first_error_is_the_reason() -> None:
    output = "INFO  something\nSystemExit\nKeyError: 'topic'\nRuntimeError: Python process exits with code: 1\n"
    assert reason(output) == "KeyError: 'topic'"


@pytest.mark.parametrize(("name", "mode"), [("chk-12", "CLAIM"), ("savepoint-1a2b", "NO_CLAIM")])
def test_a_job_owns_the_checkpoint_that_it_starts_from_but_no_savepoint(tmp_path: Path, name: str, mode: str) -> None:
    state = tmp_path / name
    state.mkdir()
    (state / "_metadata").touch()
    assert restoring(str(state)) == ["-s", state.as_uri(), "-claimMode", mode]


@pytest.mark.parametrize("state", ["CANCELED", "FAILED", "FINISHED"])
def test_a_job_that_has_ended_is_over(state: str) -> None:
    assert Job("1a2b", "transcribe", state).is_over


@pytest.mark.parametrize("state", ["CREATED", "RUNNING", "RESTARTING", "SUSPENDED"])
def test_a_job_that_will_run_again_is_not_over(state: str) -> None:
    assert not Job("1a2b", "transcribe", state).is_over
