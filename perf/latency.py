"""How long does a listener wait, and where does the time go?

Live sessions are played in real time through Kafka and the job; perf/README.md says what is measured.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline.adapters.audio_files import ChunkPlan, chunks_of_file
from pipeline.cli.borrowed import borrowed_job
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.latency import Arrival, stage_waits, waits
from pipeline.client.machine import machine
from pipeline.client.pacing import Start, merged, paced
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.client.sessions import arriving, now, unique_session_id
from pipeline.config import KafkaSettings
from pipeline.domain.scoring import percentiles
from pipeline.domain.types import AudioChunk
from pipeline.errors import VoxflowError

PATIENCE_S: Final = 60.0
STAGGER_MS: Final = 1_370
"""Sessions start so far apart: people do not pause in step, nor would their audio be the same at any moment."""

RESULTS: Final = Path(__file__).parent / "results" / "latency.json"


@click.command()
@click.option("--sessions", multiple=True, type=click.IntRange(1), default=(1, 2, 4), show_default=True)
@click.option("--chunk-ms", multiple=True, type=click.IntRange(20, 1000), default=(100, 40, 20), show_default=True)
@click.option("--file", "path", type=click.Path(path_type=Path), help="What all say; else 44 s of a novel.")
def main(sessions: tuple[int, ...], chunk_ms: tuple[int, ...], path: Path | None) -> None:
    """Play live sessions through the local stack and write perf/results/latency.json.

    \b
    Examples:
      python perf/latency.py                                    all sizes, about seven minutes
      python perf/latency.py --sessions 1 --chunk-ms 100        one run of 44 s
    """
    cases = [(count, duration_ms) for duration_ms in chunk_ms for count in sessions]
    try:
        with borrowed_job(click.echo) as kafka:
            found = [measured(kafka, path or recording(TWO_CITIES), *case) for case in track(cases, "playing")]
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine(), "cases": found}, indent=2) + "\n")
    Console().print(table(found))
    click.echo(f"written to {RESULTS}")


def measured(kafka: KafkaSettings, path: Path, count: int, chunk_ms: int) -> dict[str, Any]:
    """Percentiles of one run of ``count`` sessions, in milliseconds."""
    session_ids = [unique_session_id("latency") for _ in range(count)]
    arrivals: list[Arrival] = []
    with kafka_transcriber(kafka, session_ids, PATIENCE_S) as transcriber:
        start = now()
        starts = {one: start.at_ms + number * STAGGER_MS for number, one in enumerate(session_ids)}
        chunks = staggered(path, starts, start, chunk_ms)
        with closing(arriving(transcriber(chunks))) as live:
            arrivals.extend(live)
    return {"sessions": count, "chunk_ms": chunk_ms, **summary(arrivals, starts)}


def staggered(path: Path, starts: dict[str, int], start: Start, chunk_ms: int) -> Iterator[AudioChunk]:
    """The recording as one session for each id in ``starts``, beginning at its moment."""
    plan = ChunkPlan(chunk_ms=chunk_ms)
    sources = [chunks_of_file(path, session_id, plan, at_ms) for session_id, at_ms in starts.items()]
    return paced(merged(sources), start, chunk_ms, time.monotonic, time.sleep)


def summary(arrivals: Sequence[Arrival], starts: dict[str, int]) -> dict[str, Any]:
    """Waits and stages of finals, and the wait for first partials: percentiles in milliseconds."""
    waited = waits(arrivals, starts)
    return {
        "finals": len(waited.final_ms),
        "first_partial_ms": percentiles(waited.first_partial_ms),
        "final_ms": percentiles(waited.final_ms),
        "stages_ms": stages(arrival for arrival in arrivals if arrival.transcript.is_final),
    }


def stages(arrivals: Iterable[Arrival]) -> dict[str, dict[str, float | None]]:
    spent: dict[str, list[float]] = defaultdict(list)
    for arrival in arrivals:
        for stage, wait_ms in stage_waits(arrival).items():
            spent[stage].append(wait_ms)
    return {stage: percentiles(values) for stage, values in spent.items()}


def table(cases: Sequence[dict[str, Any]]) -> Table:
    """A block of rows a case, a row a wait, in milliseconds."""
    shown = Table("sessions", "chunk", "wait", "p50", "p95", "p99", box=None)
    for case in cases:
        rows = {"first partial": case["first_partial_ms"], "final": case["final_ms"], **case["stages_ms"]}
        labels = (str(case["sessions"]), f"{case['chunk_ms']} ms")
        for name, figures in rows.items():
            shown.add_row(*labels, name, *map(cell, figures.values()))
            labels = ("", "")
        shown.add_section()
    return shown


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


if __name__ == "__main__":
    main()
