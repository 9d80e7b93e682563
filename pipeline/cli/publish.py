"""``voxflow publish``: audio files to Kafka, without waiting for their text."""

import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

from pipeline.adapters.kafka import ChunkPublisher, ensure_topics
from pipeline.cli.playing import playback, playing_options
from pipeline.client.exchange import Sender
from pipeline.client.sessions import now
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk


@click.command()
@playing_options
def publish(**options: Any) -> None:
    """Publish audio FILEs to the audio topic, each as a live session, and go.

    Prints a line a file: the session's id, the chunks sent and the file. Read the text with `voxflow listen`.

    \b
    Examples:
      voxflow publish talk.wav
      voxflow publish --pace fast --session-id talk-1 talk.wav
      voxflow listen --session talk-1 --from-beginning

    Ctrl-C ends the sessions where they are and sends what is queued (exit code 130).
    """
    files = playback(**options)
    settings = KafkaSettings.from_environ(os.environ)
    ensure_topics(settings)
    sent: Counter[str] = Counter()
    with ChunkPublisher(settings) as publisher:
        try:
            _send(Sender(_counted(files.chunks(now()), sent), publisher))
        finally:
            for session in files.sessions:
                click.echo(f"{session.session_id}\t{sent[session.session_id]} chunks\t{session.path}")


def _send(sender: Sender) -> None:
    """Returns when everything is stored; on Ctrl-C, when the sessions are ended. Raises what publishing raises."""
    sender.start()
    try:
        sender.wait()
    finally:
        sender.stop()


def _counted(chunks: Iterable[AudioChunk], sent: Counter[str]) -> Iterable[AudioChunk]:
    for chunk in chunks:
        yield chunk
        sent[chunk.session_id] += 1
