"""``voxflow listen``: follows what the job publishes, whoever speaks."""

import os

import click

from pipeline.adapters.kafka import Beginning, End, TranscriptReader, ensure_topics
from pipeline.cli.displays import make_display
from pipeline.client.latency import Arrival
from pipeline.client.sessions import wall_ms
from pipeline.config import KafkaSettings


@click.command()
@click.option("--session", "sessions", multiple=True, metavar="ID", help="Only this session; may be given repeatedly.")
@click.option("--from-beginning", is_flag=True, help="Start with everything Kafka still holds.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text.")
@click.option("--partials", is_flag=True, help="Also write texts that may still change (a terminal always shows them).")
def listen(sessions: tuple[str, ...], from_beginning: bool, as_json: bool, partials: bool) -> None:
    """Show the texts of all sessions as they come, until Ctrl-C.

    With --partials, --json also writes partial texts and the ends of sessions.

    \b
    Examples:
      voxflow listen                                     everything from now on
      voxflow listen --session talk-1 --from-beginning   one session, from its start
      voxflow listen --json --partials | jq -r .text     every revision, for programs
    """
    settings = KafkaSettings.from_environ(os.environ)
    ensure_topics(settings)
    start = Beginning() if from_beginning else End()
    try:
        with (
            TranscriptReader(settings, start, sessions or None) as reader,
            make_display({}, click.echo, as_json, partials=partials) as display,
        ):
            for transcript in reader:
                display.show(Arrival(transcript, wall_ms()))
    except KeyboardInterrupt:
        pass  # the usual way to end it
