"""How long does a listener wait, and where does the time go?

Live sessions are played in real time through Kafka and the job; perf/README.md says what is measured.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from perf.job import SILENCE_MS, measured_job
from perf.live import play
from perf.shown import by_segment, final_waits_ms, first_text_waits_ms, flicker, shown, silences_ms
from perf.speech import CONTINUOUS, Corpus, Voice
from pipeline.client.latency import Arrival, stage_waits
from pipeline.client.machine import machine
from pipeline.config import KafkaSettings
from pipeline.domain.scoring import percentiles
from pipeline.errors import VoxflowError

RESULTS: Final = Path(__file__).parent / "results" / "latency.json"
USUAL_HALF: Final = 4
"""Sessions of a half load where no density was measured."""


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
@click.option("--sessions", multiple=True, type=click.IntRange(1), help="Several times for several runs; else 1, half.")
@click.option("--chunk-ms", multiple=True, type=click.IntRange(20, 1000), default=(20, 40), show_default=True)
@click.option("--seconds", type=click.FloatRange(10), default=40.0, show_default=True, help="How long each run lasts.")
def main(folder: Path, sessions: tuple[int, ...], chunk_ms: tuple[int, ...], seconds: float) -> None:
    """Play live sessions through the local stack and write perf/results/latency.json.

    Half load is half of the sessions that perf/results/density.json found to be carried, 4 without it.

    \b
    Examples:
      python -m perf.latency                                    1 and half load, about four minutes
      python -m perf.latency --sessions 1 --chunk-ms 100        one run of 40 s
    """
    half = half_load(RESULTS.with_name("density.json"))
    counts = sessions or tuple(sorted({1, half}))
    corpus = Corpus.found_in(folder)
    voices = [corpus.voice(number, seconds, CONTINUOUS) for number in range(max(counts))]
    try:
        with measured_job(click.echo) as job:
            measured(job.kafka, voices[:1], chunk_ms[0])
            found = [measured(job.kafka, voices[:count], ms) for ms in chunk_ms for count in counts]
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    RESULTS.parent.mkdir(exist_ok=True)
    record = {"machine": machine(), "silence_ms": SILENCE_MS, "half_load": half, "speech": corpus.name, "cases": found}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    Console(width=120).print(table(found))
    click.echo(f"written to {RESULTS}")


def half_load(density: Path) -> int:
    """Half of the sessions at the knee, at least 1."""
    if not density.exists():
        return USUAL_HALF
    return max(1, int(json.loads(density.read_text())["loads"]["continuous"]["knee"]) // 2)


def measured(kafka: KafkaSettings, voices: Sequence[Voice], chunk_ms: int) -> dict[str, Any]:
    """Percentiles of one run, in milliseconds."""
    click.echo(f"playing {len(voices)} sessions in chunks of {chunk_ms} ms")
    for voice in voices:
        voice.chunks(chunk_ms)
    played = play(kafka, voices, chunk_ms)
    return {"sessions": len(voices), "chunk_ms": chunk_ms, **summary(played.arrivals, played.starts_ms)}


def summary(arrivals: Sequence[Arrival], starts_ms: Mapping[str, int]) -> dict[str, Any]:
    """Waits and stages of finals, and the wait for first partials: percentiles in milliseconds."""
    segments = by_segment(shown(arrivals, starts_ms))
    finals_ms = final_waits_ms(segments)
    return {
        "finals": len(finals_ms),
        "first_partial_ms": percentiles(first_text_waits_ms(segments)),
        "final_ms": percentiles(finals_ms),
        "nothing_new_for_ms": percentiles(silences_ms(segments)),
        "flicker": flicker(segments),
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
    rows_of_all = Table("sessions", "chunk", "wait", "p50", "p95", "p99", box=None)
    for case in cases:
        rows = {"first partial": case["first_partial_ms"], "final": case["final_ms"], **case["stages_ms"]}
        labels = (str(case["sessions"]), f"{case['chunk_ms']} ms")
        for name, figures in rows.items():
            rows_of_all.add_row(*labels, name, *map(cell, figures.values()))
            labels = ("", "")
        rows_of_all.add_section()
    return rows_of_all


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


if __name__ == "__main__":
    main()
