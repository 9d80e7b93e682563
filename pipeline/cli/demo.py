"""``voxflow demo``: the whole show on this machine, from nothing to measured captions."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from pipeline.adapters.audio_files import ChunkPlan, inspect_audio
from pipeline.cli.borrowed import borrowed_job
from pipeline.cli.displays import make_display
from pipeline.cli.finding import Finding, found_after_delivery
from pipeline.cli.scorecard import Scorecard, scorecard
from pipeline.cli.search import hit_line
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.latency import Arrival
from pipeline.client.pacing import Pace
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.client.sessions import Playback, arriving, file_sessions, now
from pipeline.config import ElasticsearchSettings, KafkaSettings, StackSettings
from pipeline.delivery.search import Query
from pipeline.errors import EngineError
from pipeline.local import elasticsearch

REFERENCE: Final = Path(__file__).parent / "data" / "two_cities.txt"
PHRASE: Final = '"season of light"'
PATIENCE_S: Final = 60.0


@click.command()
@click.option("--keep", is_flag=True, help="Leave the stack and the job running afterwards.")
def demo(keep: bool) -> None:
    """Bring everything up, stream 44 seconds of speech through Kafka and Flink in real time, and measure.

    Shows live captions, then the transcript, its word error rate and how long a listener waits, and finds a phrase in
    it by full-text search. Writes the same to .voxflow/demo.json. What it started is stopped at the end; what ran
    before keeps running. The first run takes a few minutes, since Kafka and Elasticsearch are fetched.

    \b
    Examples:
      voxflow demo
      voxflow demo --keep && voxflow transcribe talk.wav

    Exit codes: 0 if the texts came with at most 10 % word errors and were found, else 1; 130 stopped with Ctrl-C.
    """
    settings = StackSettings.from_environ(os.environ)
    with borrowed_job(_report, keep) as kafka:
        files = Playback(file_sessions([recording(TWO_CITIES)]), ChunkPlan(), Pace.REALTIME)
        card = _shown(kafka, files)
        Console().print(card.view())
        if elasticsearch.NAME not in settings.without:
            card = replace(card, finding=_found(files.session_ids[0]))
    _conclude(card, settings.home / "demo.json")


def _shown(kafka: KafkaSettings, files: Playback) -> Scorecard:
    """Plays the recording and collects every transcript of it, partials included."""
    path = recording(TWO_CITIES)
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


def _found(session_id: str) -> Finding:
    """Delivers what was said to the views, and finds the phrase in it."""
    click.secho(f"\nvoxflow search '{PHRASE}'", bold=True)
    settings = ElasticsearchSettings.from_environ(os.environ)
    finding = found_after_delivery(os.environ, settings, Query(PHRASE, session_id=session_id))
    for hit in finding.hits:
        Console(highlight=False).print(hit_line(hit), soft_wrap=True)
    return finding


def _conclude(card: Scorecard, path: Path) -> None:
    """Writes the figures. Raises EngineError if they are not good enough."""
    card.write(path)
    click.echo(f"\nwritten to {path}")
    if card.problem is not None:
        raise EngineError(f"demo failed: {card.problem}")


def _report(line: str) -> None:
    click.secho(line, dim=True)
