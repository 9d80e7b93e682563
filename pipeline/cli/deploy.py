"""voxflow deploy: the transcription job on the local cluster, which goes on from where it stopped."""

import os
import time
from pathlib import Path
from typing import Final

import click

from pipeline.adapters.kafka import ensure_topics
from pipeline.config import KafkaSettings, StackSettings
from pipeline.errors import SetupError, StackError
from pipeline.local.jobs import Jobs
from pipeline.local.rest import Job
from pipeline.local.stack import Stack
from pipeline.local.states import Deployment, State, States, state_at

JOB_NAME: Final = "voxflow-transcribe"
SCRIPT: Final = Path(__file__).parents[2] / "jobs" / "transcribe.py"
AGES: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--stop", is_flag=True, help="Stop the job with a savepoint, which the next deploy goes on from.")
@click.option(
    "--cancel", is_flag=True, help="End the job without a savepoint; the next deploy goes on from its last checkpoint."
)
@click.option("--fresh", is_flag=True, help="Start without state, at the last offsets that were committed to Kafka.")
@click.option("--from", "origin", metavar="PATH", help="Start from this checkpoint or savepoint.")
@click.argument("job_arguments", nargs=-1, metavar="[-- JOB ARGUMENTS]")
def deploy(stop: bool, cancel: bool, fresh: bool, origin: str | None, job_arguments: tuple[str, ...]) -> None:
    """Start the transcription job on the local cluster and wait until it runs; `voxflow up` comes first.

    It goes on from where the job deployed last has stopped, sessions in mid-speech included: from its savepoint, or
    else from its newest checkpoint. Topics that are missing are created. A job that runs already is left alone. What
    follows a double dash is handed to jobs/transcribe.py.

    \b
    Examples:
      voxflow deploy
      voxflow deploy --stop && voxflow deploy -- --parallelism 2
      voxflow deploy --fresh
    """
    if sum((stop, cancel, fresh, origin is not None)) > 1:
        raise click.UsageError("--stop, --cancel, --fresh and --from exclude one another")
    settings, kafka = StackSettings.from_environ(os.environ), KafkaSettings.from_environ(os.environ)
    if stop or cancel:
        end_job(settings, with_savepoint=stop)
    else:
        ensure_topics(kafka)
        start_job(settings, kafka.bootstrap_servers, job_arguments, fresh, origin)


def start_job(
    settings: StackSettings,
    bootstrap_servers: str,
    arguments: tuple[str, ...] = (),
    fresh: bool = False,
    origin: str | None = None,
) -> None:
    """Submits the job unless it runs, remembers it, and waits for it. Raises SetupError and StackError."""
    jobs = Jobs(settings)
    states = jobs.states(JOB_NAME)
    if (running := jobs.running(JOB_NAME)) is not None:
        if fresh or origin is not None:
            raise StackError(f"{JOB_NAME} runs already, with its state; end it first with: voxflow deploy --stop")
        remember(states, running)
        click.echo(already(running))
        return
    state = chosen(states, fresh, origin)
    click.echo("starting without state" if state is None else f"going on from the {told(state, time.time())}")
    job_id = submit(jobs, bootstrap_servers, arguments, state)
    states.remember(Deployment(job_id, None if state is None else state.path))
    await_start(jobs, job_id)
    if state is not None:
        states.drop_checkpoints_before(state)


def start_unremembered_job(settings: StackSettings, bootstrap_servers: str, arguments: tuple[str, ...] = ()) -> None:
    """Starts the job without state unless one runs; no deploy goes on from it. Raises SetupError and StackError."""
    jobs = Jobs(settings)
    if (running := jobs.running(JOB_NAME)) is not None:
        click.echo(already(running))
        return
    await_start(jobs, submit(jobs, bootstrap_servers, arguments, None))


def submit(jobs: Jobs, bootstrap_servers: str, arguments: tuple[str, ...], state: State | None) -> str:
    """The id of the job that was handed to Flink. Raises SetupError and StackError."""
    if not SCRIPT.exists():
        raise SetupError(f"{SCRIPT} does not exist; run voxflow from the project's own environment (make setup)")
    click.echo(f"submitting {SCRIPT.name} (about 15 s)")
    path = None if state is None else str(state.path)
    return jobs.submit(SCRIPT, ["--bootstrap-servers", bootstrap_servers, *arguments], path)


def await_start(jobs: Jobs, job_id: str) -> None:
    jobs.await_running(job_id)
    click.echo(f"{JOB_NAME} runs: {job_id}, web interface {jobs.rest.url}/#/job/{job_id}/overview")


def already(running: Job) -> str:
    return f"{JOB_NAME} is already {running.state.lower()}: {running.job_id}"


def remember(states: States, running: Job) -> None:
    """Writes down a job that runs: whoever started it may have been interrupted before doing so."""
    last = states.deployed()
    if last is None or last.job_id != running.job_id:
        states.remember(Deployment(running.job_id))


def chosen(states: States, fresh: bool, origin: str | None) -> State | None:
    """The state that was asked for, else the newest. Raises StackError."""
    if origin is not None:
        return state_at(origin)
    return None if fresh else states.newest()


def end_job(settings: StackSettings, with_savepoint: bool) -> None:
    """Ends the job, and gives the next one fresh interpreters when no other job needs them. Raises StackError."""
    jobs = Jobs(settings)
    states, running = jobs.states(JOB_NAME), jobs.running(JOB_NAME)
    if running is None:
        click.echo(f"{JOB_NAME} was not running")
        return
    remember(states, running)
    if with_savepoint:
        path = jobs.stop_with_savepoint(running.job_id)
        states.drop_savepoints()
        click.echo(f"{JOB_NAME} stopped: {running.job_id}; the next deploy goes on from its savepoint {path}")
    else:
        jobs.cancel(running.job_id)
        click.echo(f"{JOB_NAME} cancelled: {running.job_id}; the next deploy goes on from its last checkpoint")
    if all(job.is_over for job in jobs.rest.jobs()):
        Stack(settings).restart_task_managers(click.echo)


def told(state: State, now_s: float) -> str:
    """The state in words: its kind, age and path; ``now_s`` is in seconds since 1970."""
    return f"{state.kind} of {age(now_s - state.completed_s)} ago: {state.path}"


def age(seconds: float) -> str:
    """A duration in its largest whole unit."""
    unit, size = next(((unit, size) for unit, size in AGES if seconds >= size), AGES[-1])
    count = max(0, int(seconds // size))
    return f"{count} {unit}{'' if count == 1 else 's'}"
