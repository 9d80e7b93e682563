"""voxflow deploy: the transcription job on the local cluster."""

import os
from pathlib import Path

import click

from pipeline.adapters.kafka import ensure_topics
from pipeline.config import KafkaSettings, StackSettings
from pipeline.errors import SetupError
from pipeline.local.jobs import Jobs
from pipeline.local.stack import Stack

JOB_NAME = "voxflow-transcribe"
SCRIPT = Path(__file__).parents[2] / "jobs" / "transcribe.py"


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--stop", is_flag=True, help="Stop the job instead.")
@click.argument("job_arguments", nargs=-1, metavar="[-- JOB ARGUMENTS]")
def deploy(stop: bool, job_arguments: tuple[str, ...]) -> None:
    """Start the transcription job on the local cluster and wait until it runs; `voxflow up` comes first.

    Topics that are missing are created. A job that runs already is left alone. What follows a double dash is handed to
    jobs/transcribe.py.
    """
    settings, kafka = StackSettings.from_environ(os.environ), KafkaSettings.from_environ(os.environ)
    if stop:
        stop_job(settings)
    else:
        ensure_topics(kafka)
        start_job(settings, kafka.bootstrap_servers, job_arguments)


def start_job(settings: StackSettings, bootstrap_servers: str, arguments: tuple[str, ...]) -> None:
    """Submits the job unless it runs, and waits for it. Raises SetupError and StackError."""
    jobs = Jobs(settings)
    if (running := jobs.running(JOB_NAME)) is not None:
        click.echo(f"{JOB_NAME} is already {running.state.lower()}: {running.job_id}")
        return
    if not SCRIPT.exists():
        raise SetupError(f"{SCRIPT} does not exist; run voxflow from the project's own environment (make setup)")
    click.echo(f"submitting {SCRIPT.name} (about 15 s)")
    job_id = jobs.submit(SCRIPT, ["--bootstrap-servers", bootstrap_servers, *arguments])
    jobs.await_running(job_id)
    click.echo(f"{JOB_NAME} runs: {job_id}, web interface {jobs.rest.url}/#/job/{job_id}/overview")


def stop_job(settings: StackSettings) -> None:
    """Cancels the job, and gives the next one fresh interpreters when no other job needs them. Raises StackError."""
    jobs = Jobs(settings)
    running = jobs.running(JOB_NAME)
    if running is None:
        click.echo(f"{JOB_NAME} was not running")
        return
    jobs.cancel(running.job_id)
    click.echo(f"{JOB_NAME} stopped: {running.job_id}")
    if all(job.is_over for job in jobs.rest.jobs()):
        Stack(settings).restart_task_managers(click.echo)
