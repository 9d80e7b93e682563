"""``voxflow transcribe``: audio files through the running job, captions on the terminal."""

import os
from contextlib import AbstractContextManager, closing
from typing import Any

import click

from pipeline.cli.displays import is_terminal, make_display
from pipeline.cli.playing import playback, playing_options
from pipeline.client.exchange import Transcriber, kafka_transcriber
from pipeline.client.pacing import Pace
from pipeline.client.sessions import Playback, arriving, now
from pipeline.config import KafkaSettings
from pipeline.errors import EngineError


@click.command()
@playing_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a final text on standard output, nothing else.")
@click.option("--local", is_flag=True, help="Recognise within this process: needs neither Kafka nor Flink.")
@click.option(
    "--timeout",
    "patience_s",
    type=click.FloatRange(min=1),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Give up when nothing has come for so long after the audio was sent.",
)
def transcribe(as_json: bool, local: bool, patience_s: float, **options: Any) -> None:
    """Play audio FILEs to the running job, each as a live session, and show the text as it comes.

    wav, flac, ogg and mp3 are read. Several files are several sessions at once. On a terminal, text that may still
    change is dim; in a pipe only final texts are written, a line each.

    \b
    Examples:
      voxflow transcribe talk.wav                        captions, at the pace of speech
      voxflow transcribe --pace fast *.flac              as quickly as possible, all at once
      voxflow transcribe --json call.mp3 | jq .text      for programs
      voxflow transcribe --local talk.wav                without Kafka and Flink
      voxflow transcribe --codec mulaw --chunk-ms 20 call.wav

    \b
    Exit codes: 0 all sessions ended with their texts, 1 an error (one line on standard error),
    2 wrong usage, 130 stopped with Ctrl-C.
    """
    files = playback(**options)
    with _transcriber(files, local, patience_s, partials=not as_json and is_terminal()) as transcriber:
        _show(files, transcriber, as_json)


def _transcriber(
    files: Playback, local: bool, patience_s: float, partials: bool
) -> AbstractContextManager[Transcriber]:
    """The running job, or an engine within this process."""
    if local:
        from pipeline.client.local import local_transcriber

        return local_transcriber(os.environ, partials=partials)
    return kafka_transcriber(KafkaSettings.from_environ(os.environ), files.session_ids, patience_s)


def _show(files: Playback, transcriber: Transcriber, as_json: bool) -> None:
    """Plays the files to their ends. Raises EngineError if a segment could not be recognised."""
    start = now()
    start_at_ms = start.at_ms if files.pace is Pace.REALTIME else None
    names = files.paths if as_json else files.names
    failures = []
    with (
        closing(arriving(transcriber(files.chunks(start)))) as arrivals,
        make_display(names, click.echo, as_json, start_at_ms) as display,
    ):
        for arrival in arrivals:
            display.show(arrival)
            failures += [arrival.transcript.error] if arrival.transcript.error else []
    if failures:
        raise EngineError(f"{len(failures)} segments could not be recognised, the first because: {failures[0]}")
