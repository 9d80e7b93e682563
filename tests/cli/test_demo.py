"""The demonstration leaves the machine as it found it, and its figures in a file."""

import json

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.cli.deploy import JOB_NAME
from pipeline.local.jobs import Jobs
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e


def environ_of(stack: Stack) -> dict[str, str]:
    """The variables that make the command use this stack."""
    settings = stack.settings
    return {
        "VOXFLOW_HOME": str(settings.home),
        "VOXFLOW_JAVA": str(settings.java),
        "VOXFLOW_KAFKA_PORT": str(settings.kafka_port),
        "VOXFLOW_KAFKA_CONTROLLER_PORT": str(settings.kafka_controller_port),
        "VOXFLOW_FLINK_REST_PORT": str(settings.flink_rest_port),
        "VOXFLOW_FLINK_RPC_PORT": str(settings.flink_rpc_port),
        "VOXFLOW_ZOOKEEPER_PORT": str(settings.zookeeper_port),
        "VOXFLOW_REDIS_PORT": str(settings.redis_port),
        "VOXFLOW_ELASTICSEARCH_PORT": str(settings.elasticsearch_port),
        "VOXFLOW_TASK_MANAGERS": str(settings.task_managers),
        "VOXFLOW_SLOTS": str(settings.slots_per_task_manager),
    }


def live_jobs(stack: Stack) -> set[str]:
    return {job.job_id for job in stack.rest.jobs() if not job.is_over}


def checkpoint_folders(stack: Stack) -> set[str]:
    return {folder.name for folder in (stack.settings.home / "flink" / "checkpoints").iterdir()}


def test_it_transcribes_measures_and_gives_the_stack_back(stack: Stack) -> None:
    before, folders = live_jobs(stack), checkpoint_folders(stack)
    deployed = Jobs(stack.settings).states(JOB_NAME).deployed()
    result = CliRunner().invoke(main, ["demo"], env=environ_of(stack))
    assert result.exit_code == 0, result.output
    record = json.loads((stack.settings.home / "demo.json").read_text())
    assert record["wer"] <= 0.10
    assert record["finals"] > 0
    assert record["final_ms"].keys() == record["first_partial_ms"].keys() == {"p50", "p95"}
    (hit,) = record["search"]["hits"]
    assert [hit["text"][begin:end].lower() for begin, end in hit["marks"]] == ["season of light"]
    assert hit["start_ms"] <= hit["at_ms"] <= hit["end_ms"]
    assert record["transcript"] in " ".join(result.output.split())
    assert {service.state for service in stack.status()} == {"running"}
    assert live_jobs(stack) == before
    assert checkpoint_folders(stack) == folders
    assert Jobs(stack.settings).states(JOB_NAME).deployed() == deployed
