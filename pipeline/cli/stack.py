"""voxflow up, down, status and logs: the local stack."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from pipeline.config import StackSettings
from pipeline.local.rest import Job
from pipeline.local.stack import ServiceStatus, Stack

SHOWN_LINES = 20
"""Lines of each log that are shown without -n."""


@click.command()
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(["elasticsearch", "redis"]),
    help="Leave this server out; may be given repeatedly. One that runs already is left alone.",
)
def up(without: tuple[str, ...]) -> None:
    """Start the local stack as ordinary processes: Kafka, a Flink cluster, and the views, Redis and Elasticsearch.

    A second call starts only what is missing. Jobs that ran when the stack went down go on where they stopped. Files
    are kept in .voxflow of the current folder.

    \b
    Variables: VOXFLOW_HOME (.voxflow), VOXFLOW_JAVA (.voxflow/java), VOXFLOW_KAFKA_PORT (9092),
    VOXFLOW_KAFKA_CONTROLLER_PORT (9093), VOXFLOW_FLINK_REST_PORT (8081), VOXFLOW_FLINK_RPC_PORT (6123),
    VOXFLOW_ZOOKEEPER_PORT (2181), VOXFLOW_REDIS_PORT (6379), VOXFLOW_ELASTICSEARCH_PORT (9200),
    VOXFLOW_WITHOUT (redis,elasticsearch leaves both out, as --without does),
    VOXFLOW_TASK_MANAGERS (1), VOXFLOW_SLOTS (2 for each), VOXFLOW_CHECKPOINT_INTERVAL_MS (2000).
    """
    settings = StackSettings.from_environ(os.environ)
    stack = Stack(replace(settings, without=settings.without | set(without)))
    stack.up(click.echo)
    click.echo(job_lines(stack.rest.jobs()))


@click.command()
def down() -> None:
    """Stop the local stack. Records, and running jobs with their state, are kept for the next `voxflow up`."""
    local_stack().down(click.echo)


@click.command()
def status() -> None:
    """Show what runs, where, and what does not; exit code 1 when a service does not."""
    stack = local_stack()
    services = stack.status()
    click.echo(table(services))
    if any(service.state != "running" for service in services):
        click.echo("start what is missing with: voxflow up", err=True)
        raise SystemExit(1)
    click.echo(job_lines(stack.rest.jobs()))


@click.command()
@click.argument("service", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on showing new lines until Ctrl-C.")
@click.option("-n", "--lines", default=SHOWN_LINES, show_default=True, help="How many lines of each log.")
def logs(service: str | None, follow: bool, lines: int) -> None:
    """Show the end of the log of SERVICE (kafka, zookeeper, jobmanager, taskmanager-1, submit), or of all."""
    paths = local_stack().logs(service)
    for path in paths if not follow else []:
        show_end(path, lines)
    if follow:
        subprocess.run(["tail", "-n", str(lines), "-F", *map(str, paths)], check=False)


def local_stack() -> Stack:
    return Stack(StackSettings.from_environ(os.environ))


def table(services: list[ServiceStatus]) -> str:
    """One line a service: name, state, pid, address."""
    line = "{:<16}{:<10}{:<8}{}".format
    rows = [line(s.name, s.state, s.pid or "-", s.address) for s in services]
    return "\n".join([line("SERVICE", "STATE", "PID", "ADDRESS"), *rows])


def job_lines(jobs: Sequence[Job]) -> str:
    """One line a job that is not over."""
    lines = [f"job {job.name} is {job.state.lower()}: {job.job_id}" for job in jobs if not job.is_over]
    return "\n".join(lines) or "no job runs; start the transcription job with: voxflow deploy"


def show_end(path: Path, lines: int) -> None:
    click.secho(f"==> {path}", bold=True)
    click.echo("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))
