"""Does the pipeline go on for hours as it began?

Sessions come and go as people do, chosen by a seed, while the memory of each process and the size of the job's state
are measured. docs/soak.md says what the figures mean.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from pipeline.client.machine import machine
from pipeline.client.pacing import merged
from pipeline.client.sessions import now
from pipeline.errors import VoxflowError
from pipeline.flink.settings import JobSettings
from pipeline.local.running_job import StateSize
from tests.chaos.cluster import Cluster, cluster_in
from tests.chaos.verdict import Verdict
from tests.soak.installation import deployed
from tests.soak.memory import of_process
from tests.soak.playing import Cast, every
from tests.soak.scripts import catalogue, life
from tests.soak.soak import Watch, play_out
from tests.soak.trend import Judgement, Trend

HOME: Final = Path(".voxflow/soak").absolute()
RESULT: Final = Path(".voxflow/soak.json").absolute()
SAMPLE_S: Final = 5.0
REPORT_S: Final = 30.0
PATIENCE_S: Final = 60.0
LIMIT_MB_PER_HOUR: Final = 1.0
MINUTE_S: Final = 60.0


@click.command()
@click.option("--minutes", type=click.FloatRange(min=2), default=10.0, show_default=True, help="How long people speak.")
@click.option("--sessions", type=click.IntRange(1), default=6, show_default=True, help="How many speak at once.")
@click.option("--seed", type=int, default=1, show_default=True, help="Who does what, when.")
@click.option(
    "--warm-up-minutes", type=click.FloatRange(min=0), default=None, help="Left out of the trends; else a third of all."
)
def main(minutes: float, sessions: int, seed: int, warm_up_minutes: float | None) -> None:
    """Let sessions live on a stack of its own; write .voxflow/soak.json; fail if anything grows or is lost.

    \b
    Examples:
      python -m tests.soak                            ten minutes: shows that state empties and no session is lost
      python -m tests.soak --minutes 240 --seed 7     four hours: enough to tell a slope of 1 MB an hour from none
    """
    warm_up_s = MINUTE_S * (minutes / 3 if warm_up_minutes is None else warm_up_minutes)
    try:
        with cluster_in(HOME, click.echo) as cluster:
            found = soak(cluster, minutes * MINUTE_S, sessions, seed, warm_up_s)
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    RESULT.write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")
    show(found)
    click.echo(f"written to {RESULT}")
    sys.exit(0 if found["targets_hold"] else 1)


def soak(cluster: Cluster, duration_s: float, sessions: int, seed: int, warm_up_s: float) -> dict[str, Any]:
    """The whole run, and what it found."""
    job_settings = JobSettings()
    scripts = catalogue(job_settings.session.idle_ms)
    patience_s = PATIENCE_S + (job_settings.session.idle_ms + job_settings.transcript_linger_ms) / 1000
    with deployed(cluster.stack, cluster.kafka) as job:
        before = job.first_state_size(PATIENCE_S)
        cast, watch, start = Cast(), Watch(cluster.stack, job), now()
        until_ms = start.at_ms + round(duration_s * 1000)
        lives = [life(one, seed, scripts, start.at_ms, until_ms, cast.begin) for one in range(sessions)]
        report = every(REPORT_S, progress(cast, watch, duration_s))
        left = play_out(cluster.kafka, cast, merged(lives), start, watch, before, patience_s, SAMPLE_S, report)
        return {
            "settings": {"minutes": duration_s / MINUTE_S, "sessions": sessions, "seed": seed, "warm_up_s": warm_up_s},
            **findings(cast, watch, before, left, warm_up_s),
        }


def progress(cast: Cast, watch: Watch, duration_s: float) -> Callable[[float], None]:
    """Says how far the run is."""

    def say(now_s: float) -> None:
        held = ", ".join(f"{name} {memory.rss_mb:.0f} MB" for name, memory in watch.samples[-1].processes.items())
        state_kb = sum(watch.states[-1][1].values()) / 1024
        minutes = f"{(now_s - watch.began_s) / MINUTE_S:5.1f} of {duration_s / MINUTE_S:.0f} min"
        click.echo(f"{minutes}: {len(cast.played)} sessions, {cast.finals} finals; {held}; state {state_kb:.0f} KB")

    return say


def findings(cast: Cast, watch: Watch, before: StateSize, left: StateSize, warm_up_s: float) -> dict[str, Any]:
    """The figures, and whether all of them are as they should be."""
    names = watch.samples[-1].processes
    processes = {name: process(watch, name, warm_up_s) for name in names}
    checkpoint = judged(watch.state_trend(warm_up_s))
    verdicts = cast.verdicts()
    total = sum(verdicts.values(), Verdict())
    grows = [one for one in (*processes.values(), checkpoint) if one["judgement"] == Judgement.GROWS]
    return {
        "targets_hold": total.is_clean and not (left or grows),
        "limit_mb_per_hour": LIMIT_MB_PER_HOUR,
        "processes": processes,
        "checkpoint": checkpoint,
        "state_bytes": {"before": before, "after": watch.states[-1][1], "left": left},
        "sessions": dict(Counter(one.script.name for one in cast.played)),
        "finals": asdict(total),
        "wronged": {name: asdict(one) for name, one in verdicts.items() if not one.is_clean},
        "series": {
            "memory": [
                (round(one.at_s, 1), {name: asdict(held) for name, held in one.processes.items()})
                for one in watch.samples
            ],
            "state": [(round(at_s, 1), state) for at_s, state in watch.states],
        },
    }


def process(watch: Watch, name: str, warm_up_s: float) -> dict[str, Any]:
    """One process: what it held at first, at last and at most, and its trend."""
    rss_mb = [round(one.rss_mb, 1) for one in of_process(watch.samples, name)]
    return {"first_mb": rss_mb[0], "last_mb": rss_mb[-1], "most_mb": max(rss_mb)} | judged(
        watch.memory_trend(name, warm_up_s)
    )


def judged(found: Trend) -> dict[str, Any]:
    return {
        "mb_per_hour": round(found.slope, 2),
        "error_mb_per_hour": round(found.error, 2),
        "judgement": found.judgement(LIMIT_MB_PER_HOUR),
    }


def show(found: dict[str, Any]) -> None:
    """The result as a table and a few lines."""
    table = Table("", "first", "last", "most", "MB an hour", f"below {LIMIT_MB_PER_HOUR:g} MB an hour?", box=None)
    for name, one in {**found["processes"], "checkpoint": found["checkpoint"]}.items():
        held = [f"{one[key]:.0f} MB" if key in one else "" for key in ("first_mb", "last_mb", "most_mb")]
        table.add_row(name, *held, f"{one['mb_per_hour']:.1f} ± {one['error_mb_per_hour']:.1f}", one["judgement"])
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    figures = ", ".join(f"{figure} {name.replace('_', ' ')}" for name, figure in found["finals"].items())
    click.echo(f"{sum(found['sessions'].values())} sessions; finals: {figures}")
    for session_id, verdict in found["wronged"].items():
        click.echo(f"{session_id}: {verdict}")
    left = found["state_bytes"]["left"]
    click.echo(f"state left when all was over: {left}" if left else "no state was left when all was over")


if __name__ == "__main__":
    main()
