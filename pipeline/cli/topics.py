"""``voxflow topics``: creates the topics that are missing and shows them all."""

import os

import click
from rich.console import Console
from rich.table import Table

from pipeline.adapters.kafka import TopicState, ensure_topics
from pipeline.adapters.kafka.topics import DEFAULT_PARTITIONS
from pipeline.config import KafkaSettings


@click.command()
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    default=DEFAULT_PARTITIONS,
    show_default=True,
    help="Partitions of topics created now: as many as subtasks will ever read in parallel.",
)
def topics(partitions: int) -> None:
    """Create the Kafka topics that are missing, and show all of them.

    Calling it again changes nothing. The dead-letter topic always has one partition.

    \b
    Examples:
      voxflow topics
      voxflow topics --partitions 32
      VOXFLOW_BOOTSTRAP_SERVERS=kafka-1:9092 voxflow topics
    """
    settings = KafkaSettings.from_environ(os.environ)
    states = ensure_topics(settings, partitions)
    Console().print(_table(states, settings.bootstrap_servers))
    for state in states:
        if state.partitions != state.wanted_partitions:
            click.echo(
                f"{state.name} keeps its {state.partitions} partitions: more would move live sessions to others; "
                "stop the producers and use Kafka's own kafka-topics.sh --alter",
                err=True,
            )


def _table(states: list[TopicState], address: str) -> Table:
    table = Table("topic", "partitions", "", title=f"Topics at {address}", title_justify="left", box=None)
    for state in states:
        table.add_row(state.name, str(state.partitions), "created" if state.created else "exists")
    return table
