"""``voxflow rebuild``: writes a view anew from the topic of finals."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.moments import maybe_moment_ms
from pipeline.config import DeliverySettings, ElasticsearchSettings, KafkaSettings, RedisSettings
from pipeline.delivery import rebuild as work
from pipeline.delivery.cache import CacheView


@click.command()
@click.argument("view", type=click.Choice(["redis", "elasticsearch"]))
@click.option(
    "--from",
    "since",
    metavar="TIME",
    callback=maybe_moment_ms,
    help="Read the topic from then on, not from its start: 90m, 2h or 1d ago, or 2026-01-31T09:00 (local time).",
)
def rebuild(view: str, since: int | None) -> None:
    """Write a VIEW anew from the topic of finals, while `voxflow deliver` goes on.

    elasticsearch: builds new indices beside the old ones and puts them in their place at the end, all at once. What
    only the old ones hold, since Kafka keeps records for a shorter time, is taken over. Searches and live delivery
    notice nothing. If it fails, everything is as it was. Use it after a change of the mapping, or a loss.

    redis: writes the sessions again in place.

    \b
    Examples:
      voxflow rebuild elasticsearch
      voxflow rebuild elasticsearch --from 1d
      voxflow rebuild redis --from 2026-01-31T09:00
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    kafka = KafkaSettings.from_environ(os.environ)
    with bar(f"rebuilding {view}") as progress:
        report = to_redis(kafka, since, progress) if view == "redis" else to_elasticsearch(kafka, since, progress)
    click.echo(summary(view, report))


def to_redis(kafka: KafkaSettings, since: int | None, progress: work.Progress) -> work.Report:
    redis, settings = RedisSettings.from_environ(os.environ), DeliverySettings.from_environ(os.environ)
    with closing(CacheView(redis, settings, kafka.topics.finals)) as view:
        return work.rebuild_in_place(kafka, view, since, progress)


def to_elasticsearch(kafka: KafkaSettings, since: int | None, progress: work.Progress) -> work.Report:
    return work.rebuild_index(kafka, ElasticsearchSettings.from_environ(os.environ), since, progress)


def summary(view: str, report: work.Report) -> str:
    """One line: what was read, what was not taken, what was taken over, and the indices there are now."""
    parts = [f"{view} rebuilt: {report.read} records read"]
    parts += [f"{report.refused} not taken (see above)"] if report.refused else []
    parts += [f"{report.carried} texts taken over that Kafka no longer holds"] if report.carried else []
    parts += [f"now in {', '.join(report.indices)}"] if report.indices else []
    return "; ".join(parts)


@contextmanager
def bar(title: str) -> Iterator[work.Progress]:
    """A progress bar of offsets, on standard error; nothing where that is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
