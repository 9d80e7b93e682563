"""A producer that can be killed: publishes files as live sessions, from a place on, and is gone.

It knows nothing of an earlier life but the moment from which on chunks must be sent again.
"""

import time
from itertools import dropwhile
from pathlib import Path

import click

from pipeline.adapters.audio_files import chunks_of_file
from pipeline.adapters.kafka import ChunkPublisher
from pipeline.client.pacing import merged, paced
from pipeline.client.sessions import now
from pipeline.config import KafkaSettings
from pipeline.domain.types import Codec
from tests.chaos.speech import CHUNK_MS, chunk_plan


@click.command()
@click.option("--bootstrap-servers", required=True, help="Kafka.")
@click.option("--from-ms", type=int, default=0, help="Send what was captured from then on, wall clock.")
@click.option(
    "--session",
    "sessions",
    type=(click.Path(path_type=Path), str, click.Choice(Codec), int),
    multiple=True,
    required=True,
    metavar="FILE ID CODEC START_MS",
    help="A file, the session it is, its codec, and when its first sample was captured, wall clock.",
)
def main(bootstrap_servers: str, from_ms: int, sessions: tuple[tuple[Path, str, str, int], ...]) -> None:
    """Publish files in real time, each as a live session. What is late by then leaves at once."""
    start = now()
    streams = [
        dropwhile(
            lambda chunk: chunk.captured_at_ms < from_ms,
            chunks_of_file(path, session_id, chunk_plan(Codec(codec)), start_ms),
        )
        for path, session_id, codec, start_ms in sessions
    ]
    with ChunkPublisher(KafkaSettings(bootstrap_servers)) as publisher:
        for chunk in paced(merged(streams), start, CHUNK_MS, time.monotonic, time.sleep):
            publisher.publish(chunk)


if __name__ == "__main__":
    main()
