"""``voxflow deliver``: writes what the job publishes to the views that applications read."""

import logging
import os
import signal
import sys
from contextlib import ExitStack
from threading import Event

import click

from pipeline.adapters.kafka import ensure_topics
from pipeline.config import KafkaSettings
from pipeline.delivery.health import HealthServer, ViewHealth
from pipeline.delivery.service import VIEWS, deliver, make_loop


@click.command("deliver")
@click.option("--view", "views", type=click.Choice(VIEWS), multiple=True, help="Only this view.  [default: all]")
@click.option(
    "--health-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve /healthz (how each view is doing, 200 or 503) and /livez over HTTP.",
)
def deliver_command(views: tuple[str, ...], health_port: int | None) -> None:
    """Write transcripts to Redis and Elasticsearch, and usage to Elasticsearch, until Ctrl-C or SIGTERM.

    Each view is a Kafka consumer group of its own: start more copies to share out the work. A view that is down is
    waited for, and nothing is lost. Records that a view cannot take go to the topic speech.delivery.dlq.v1.

    \b
    Examples:
      voxflow deliver                          all three views
      voxflow deliver --view redis             the live cache alone
      voxflow deliver --view usage             the usage alone, to the index voxflow-usage
      voxflow deliver --health-port 8090       and in another terminal: curl localhost:8090/healthz

    \b
    Variables: VOXFLOW_REDIS_URL, VOXFLOW_DELIVERY_GROUP (voxflow-deliver), VOXFLOW_DELIVERY_BATCH (200),
    VOXFLOW_SESSION_TTL_S (3600, after the end of a session), VOXFLOW_LIVE_SESSION_TTL_S (86400, without an end),
    VOXFLOW_ELASTICSEARCH_URL, VOXFLOW_ELASTICSEARCH_API_KEY, VOXFLOW_ELASTICSEARCH_USAGE_INDEX (voxflow-usage).
    """
    # Warnings, and what this command says of itself; libraries are quiet unless something is wrong.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    ensure_topics(KafkaSettings.from_environ(os.environ))
    chosen = views or VIEWS
    health = [ViewHealth(view) for view in chosen]
    stop = stopped_by_signals()
    with ExitStack() as open_things:
        if health_port is not None:
            server = open_things.enter_context(HealthServer(health_port, health))
            click.echo(f"health: http://localhost:{server.port}/healthz", err=True)
        loops = [make_loop(view, os.environ, one) for view, one in zip(chosen, health, strict=True)]
        click.echo(f"delivering to {', '.join(chosen)}; stop with Ctrl-C", err=True)
        deliver(loops, stop)


def stopped_by_signals() -> Event:
    """Set by SIGTERM or SIGINT: the batch in hand is finished first. A second SIGINT does not wait for it."""
    stop = Event()

    def ask(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop
