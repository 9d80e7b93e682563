"""How many live sessions does a core carry, apart from the speech model?

The job runs on a recogniser that answers at once; perf/README.md says what is measured.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import click
from rich.console import Console
from rich.table import Table

from perf.plumbing_load import CHUNK_MS, CpuTime, Load, Packets, await_read, cpu_time, publish, recorded_chunks
from pipeline.adapters.kafka import ChunkPublisher, TranscriptReader
from pipeline.cli.borrowed import borrowed_job
from pipeline.client.machine import machine
from pipeline.client.sessions import now, unique_session_id
from pipeline.config import KafkaSettings, StackSettings
from pipeline.domain.scoring import percentiles
from pipeline.domain.types import Transcript, TranscriptKind
from pipeline.errors import VoxflowError
from pipeline.flink.settings import JobSettings
from pipeline.local import flink
from pipeline.local.process import Process
from pipeline.local.rest import FlinkRest
from pipeline.local.stack import Stack

RESULTS: Final = Path(__file__).parent / "results" / "plumbing.json"
PLOT: Final = RESULTS.with_suffix(".svg")
ENVIRONMENT: Final = {
    "VOXFLOW_RECOGNIZER": "pipeline.testing:instant",
    "VOXFLOW_TOPIC_PREFIX": "plumbing.",
    "VOXFLOW_WITHOUT": "redis,elasticsearch",
}
SHORTEST_S: Final = 16.0
AUDIO_S: Final = 3.0
"""Each session speaks for so long at least: into its second half, where its state has its usual size."""

GROUP: Final = JobSettings().group_id
PATIENCE_S: Final = 60.0
WARM_UP: Final = 500
WARM_UP_S: Final = 45.0
"""Until then Java's compilers take a fifth of the processor time."""

IDLE_S: Final = 6.0
QUIET_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Bench:
    """The running job, what is played to it, and the processes whose time is taken."""

    kafka: KafkaSettings
    recorded: Sequence[Packets]
    task_manager: Process
    broker: Process
    rest: FlinkRest


@click.command()
@click.option("--sessions", multiple=True, type=click.IntRange(1), default=(10, 50, 200, 500, 1000, 2000))
@click.option("--rate", type=click.IntRange(100), default=1000, show_default=True, help="Chunks a second, of all.")
@click.option("--paced", type=click.IntRange(0), default=100, show_default=True, help="Sessions in real time; 0: none.")
@click.option("--paced-s", type=click.IntRange(5), default=30, show_default=True, help="How long they speak.")
@click.option("--write/--no-write", default=True, show_default=True, help="Keep the figures and the plot.")
def main(sessions: tuple[int, ...], rate: int, paced: int, paced_s: int, write: bool) -> None:
    """Play many sessions through the local stack without a speech model; writes perf/results/plumbing.json and .svg.

    \b
    Examples:
      python -m perf.plumbing                                      all sizes, about six minutes
      python -m perf.plumbing --sessions 500 --paced 0 --no-write  one size, half a minute after the start
      python -m perf.plumbing --rate 500                          on a slower machine: the job must keep up
    """
    os.environ.update(ENVIRONMENT)
    try:
        with ready() as bench:
            warm_up(bench, rate)
            idle = idle_cores(bench)
            sizes = [(count, rate, max(SHORTEST_S, AUDIO_S * count * 10 / rate)) for count in sessions]
            cases = [with_capacity(counted(bench, *size), idle) for size in sizes]
            live = counted(bench, paced, paced * 1000 // CHUNK_MS, paced_s) if paced else None
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    found = {**summary(cases), "chunks_per_s": rate, "idle_cores": idle, "cases": cases, "paced": live}
    report = {"machine": machine(), **found}
    Console().print(table([*cases, *([live] if live else [])]))
    if write:
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")
        plot(cases, PLOT)
        click.echo(f"written to {RESULTS} and {PLOT}")


@contextmanager
def ready() -> Iterator[Bench]:
    recorded = recorded_chunks()
    with borrowed_job(click.echo) as kafka:
        settings = StackSettings.from_environ(os.environ)
        processes = {process.name: process for process in Stack(settings).processes()}
        (task_manager,) = flink.task_manager_names(settings)
        yield Bench(kafka, recorded, processes[task_manager], processes["kafka"], FlinkRest(settings.flink_rest_port))


def warm_up(bench: Bench, rate: int) -> None:
    counted(bench, WARM_UP, rate, WARM_UP_S)


def idle_cores(bench: Bench) -> float:
    """What the TaskManager takes of a core with the job but without audio: timers, flushes, empty checkpoints."""
    before = spent(bench)
    time.sleep(IDLE_S)
    after = spent(bench)
    return round(after[0].since(before[0]).total_s / (after[2] - before[2]), 3)


def with_capacity(case: dict[str, Any], idle: float) -> dict[str, Any]:
    """The case with what a further chunk costs, and the live sessions of a TaskManager that has a core to itself."""
    further_us = case["chunk_us"] - idle * case["took_s"] / case["chunks"] * 1e6
    capacity = (1 - idle) * 1e6 / (further_us * 1000 / CHUNK_MS)
    return {**case, "further_chunk_us": round(further_us, 1), "sessions_per_core": round(capacity)}


def counted(bench: Bench, sessions: int, rate: int, seconds: float) -> dict[str, Any]:
    """What the second half of ``seconds`` cost: sessions of ``rate`` chunks a second together."""
    interval_s = sessions / rate
    half = round(seconds / interval_s / 2)
    load = Load(bench.recorded, unique_session_id(f"load{sessions}"), sessions, now().at_ms)
    with TranscriptReader(bench.kafka) as reader, ChunkPublisher(bench.kafka) as publisher:
        played(bench, publisher, load, range(half), interval_s)
        before = spent(bench)
        behind_s = played(bench, publisher, load, range(half, 2 * half), interval_s)
        after = spent(bench)
        state = checkpoint(bench.rest)
        for chunk in load.last(2 * half):
            publisher.publish(chunk)
        publisher.flush()
        texts = [text for text in everything(reader) if text.session_id.startswith(load.prefix)]
    case = {"sessions": sessions, "chunks": sessions * half, "behind_s": round(behind_s, 1)}
    return {**case, **costs(before, after, sessions * half), **waits(texts), **state}


def played(bench: Bench, publisher: ChunkPublisher, load: Load, steps: range, interval_s: float) -> float:
    """Publishes these steps and waits until the job has read them; how long it took for that, in seconds."""
    publish(publisher, load, steps, now().monotonic_s, interval_s)
    publisher.flush()
    return await_read(bench.kafka, GROUP, PATIENCE_S)


def spent(bench: Bench) -> tuple[CpuTime, CpuTime, float]:
    """Time of the TaskManager and of Kafka, and the moment."""
    return cpu_of(bench.task_manager), cpu_of(bench.broker), time.monotonic()


def cpu_of(process: Process) -> CpuTime:
    pid = process.pid()
    if pid is None:
        raise click.ClickException(f"{process.name} ended while it was measured; its log is {process.log}")
    return cpu_time(pid)


Spent = tuple[CpuTime, CpuTime, float]


def costs(before: Spent, after: Spent, chunks: int) -> dict[str, Any]:
    """Microseconds of processor time a chunk; a session has 1000 / CHUNK_MS of them a second."""
    task_manager, broker = after[0].since(before[0]), after[1].since(before[1])
    chunk_us = task_manager.total_s / chunks * 1e6
    return {
        "chunk_us": round(chunk_us, 1),
        "kafka_chunk_us": round(broker.total_s / chunks * 1e6, 1),
        "took_s": round(after[2] - before[2], 1),
        "cores": round(task_manager.total_s / (after[2] - before[2]), 2),
        "threads_us": {name: round(s / chunks * 1e6, 1) for name, s in task_manager.threads_s.most_common(10)},
    }


def waits(texts: Sequence[Transcript]) -> dict[str, Any]:
    """From the moment that Kafka stored a chunk to the request for a final that it led to: milliseconds."""
    finals = [text.times for text in texts if text.is_final]
    asked = [times.requested_at_ms - times.received_at_ms for times in finals]
    partials = [text for text in texts if text.kind is TranscriptKind.PARTIAL]
    return {
        "finals": len(finals),
        "partials": len(partials),
        "lag_ms": percentiles(asked, (50, 95, 99, 100)),
    }


def checkpoint(rest: FlinkRest) -> dict[str, Any]:
    """Size and duration of the newest checkpoint of the job that runs."""
    (job,) = (job for job in rest.jobs() if not job.is_over)
    with urlopen(f"{rest.url}/jobs/{job.job_id}/checkpoints", timeout=10) as answer:
        newest = json.load(answer)["latest"]["completed"] or {}
    return {"checkpoint_bytes": newest.get("state_size"), "checkpoint_ms": newest.get("end_to_end_duration")}


def everything(reader: TranscriptReader) -> list[Transcript]:
    """All that has been written, until nothing comes any more."""
    texts: list[Transcript] = []
    while came := reader.poll(QUIET_S):
        texts += came
    return texts


def summary(cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The two figures that others quote; absent where their sizes were not run."""
    by_size = {case["sessions"]: case for case in cases}
    found: dict[str, Any] = {}
    if 500 in by_size:
        found["plumbing_sessions_per_core"] = by_size[500]["sessions_per_core"]
    if {50, 2000} <= by_size.keys():
        found["plumbing_cost_ratio_2000_to_50"] = round(
            by_size[2000]["further_chunk_us"] / by_size[50]["further_chunk_us"], 3
        )
    return found


def table(cases: Sequence[dict[str, Any]]) -> Table:
    columns = ("sessions", "chunk_us", "further_chunk_us", "sessions_per_core", "kafka_chunk_us", "cores", "behind_s")
    shown = Table(*columns, "lag p50 / p99 / max", "finals", "partials", box=None)
    for case in cases:
        lag = " / ".join(str(case["lag_ms"][p]) for p in ("p50", "p99", "p100"))
        shown.add_row(
            *(str(case.get(column, "")) for column in columns), lag, str(case["finals"]), str(case["partials"])
        )
    return shown


def plot(cases: Sequence[dict[str, Any]], path: Path) -> None:
    """The cost of a session against how many there are, TaskManager and Kafka."""
    from matplotlib import pyplot

    sizes = [case["sessions"] for case in cases]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(sizes, [case["further_chunk_us"] / CHUNK_MS for case in cases], "o-", label="TaskManager")
    axes.plot(sizes, [case["kafka_chunk_us"] / CHUNK_MS for case in cases], "s--", label="Kafka's broker")
    axes.set(xscale="log", xlabel="sessions", ylabel="processor time a second of audio [ms]")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
