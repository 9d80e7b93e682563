"""``voxflow demo``: the whole show on this machine, from nothing to measured captions."""

import os
from contextlib import closing
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from pipeline.adapters.audio_files import ChunkPlan, inspect_audio
from pipeline.cli.borrowed import borrowed_job
from pipeline.cli.displays import make_display
from pipeline.cli.scorecard import Scorecard, scorecard
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.latency import Arrival
from pipeline.client.pacing import Pace
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.client.sessions import Playback, arriving, file_sessions, now
from pipeline.config import KafkaSettings, StackSettings
from pipeline.errors import EngineError

REFERENCE: Final = Path(__file__).parent / "data" / "two_cities.txt"
PATIENCE_S: Final = 60.0


@click.command()
@click.option("--keep", is_flag=True, help="Leave the stack and the job running afterwards.")
def demo(keep: bool) -> None:
    """Bring everything up, stream 44 seconds of speech through Kafka and Flink in real time, and measure.

    Shows live captions, then the transcript, its word error rate and how long a listener waits, and writes the same
    to .voxflow/demo.json. What it started is stopped at the end; what ran before keeps running. The first run
    takes a few minutes, since Kafka is fetched.

    \b
    Examples:
      voxflow demo
      voxflow demo --keep && voxflow transcribe talk.wav

    Exit codes: 0 if the texts came with at most 10 % word errors, else 1; 130 stopped with Ctrl-C.
    """
    with borrowed_job(_report, keep) as kafka:
        card = _shown(kafka)
    _conclude(card, StackSettings.from_environ(os.environ).home / "demo.json")


def _shown(kafka: KafkaSettings) -> Scorecard:
    """Plays the recording and collects every transcript of it, partials included."""
    path = recording(TWO_CITIES)
    files = Playback(file_sessions([path]), ChunkPlan(), Pace.REALTIME)
    duration_s = inspect_audio(path).duration_ms / 1000
    _report(f"playing {path.name}, {duration_s:.0f} s, as Opus in real time\n")
    arrivals: list[Arrival] = []
    with kafka_transcriber(kafka, files.session_ids, PATIENCE_S) as transcriber:
        start = now()
        with (
            closing(arriving(transcriber(files.chunks(start)))) as live,
            make_display(files.names, click.echo) as display,
        ):
            for arrival in live:
                display.show(arrival)
                arrivals.append(arrival)
    return scorecard(arrivals, files.session_ids[0], start.at_ms, REFERENCE.read_text(), duration_s)


def _conclude(card: Scorecard, path: Path) -> None:
    """Prints and writes the figures. Raises EngineError if they are not good enough."""
    Console().print(card.view())
    card.write(path)
    click.echo(f"\nwritten to {path}")
    if card.problem is not None:
        raise EngineError(f"demo failed: {card.problem}")


def _report(line: str) -> None:
    click.secho(line, dim=True)
