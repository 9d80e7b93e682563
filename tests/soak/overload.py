"""What happens when people speak faster than the machine can listen?

First the capacity is measured, then several times as many people speak at once for a while, then nobody does.
docs/soak.md says what the figures mean.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from pipeline.client.machine import machine
from pipeline.errors import VoxflowError
from tests.chaos.cluster import cluster_in
from tests.soak.bench import Bench
from tests.soak.installation import deployed
from tests.soak.scripts import voices

HOME: Final = Path(".voxflow/overload").absolute()
RESULT: Final = Path(".voxflow/overload.json").absolute()
BACKLOG_SESSIONS: Final = 24
VOICES: Final = 8


@click.command()
@click.option("--seconds", type=click.IntRange(5), default=30, show_default=True, help="How long a load lasts.")
@click.option(
    "--factor",
    "factors",
    multiple=True,
    type=click.FloatRange(0.1),
    default=(2.0, 4.0),
    show_default=True,
    help="How many times the capacity; several times for several loads.",
)
def main(seconds: int, factors: tuple[float, ...]) -> None:
    """Load the pipeline beyond its capacity; write .voxflow/overload.json; fail if a final is lost or changed.

    \b
    Examples:
      python -m tests.soak.overload                            twice and four times the capacity: about six minutes
      python -m tests.soak.overload --factor 1 --seconds 60    a minute at the limit
    """
    try:
        with cluster_in(HOME, click.echo) as cluster, deployed(cluster.stack, cluster.kafka) as job:
            found = measured(Bench(cluster.stack, cluster.kafka, job), seconds, factors)
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    RESULT.write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")
    Console(width=None if sys.stdout.isatty() else 200).print(table(found["loads"]))
    click.echo(f"written to {RESULT}")
    sys.exit(0 if all(load["targets_hold"] for load in found["loads"]) else 1)


def measured(bench: Bench, seconds: int, factors: Sequence[float]) -> dict[str, Any]:
    """The capacity, in seconds of audio a second, and what came of each load."""
    scripts = voices(VOICES, seconds)
    click.echo("warming up")
    bench.backlog(scripts, VOICES)
    click.echo(f"measuring the capacity: {BACKLOG_SESSIONS} sessions of {seconds} s are there at once")
    backlog = bench.backlog(scripts, BACKLOG_SESSIONS)
    capacity = backlog["audio_s"] / backlog["last_final_s"]
    loads = []
    for factor in factors:
        sessions = max(1, round(factor * capacity))
        click.echo(f"{factor:g} times {capacity:.0f} s of audio a second: {sessions} people speak for {seconds} s")
        loads.append({"factor": factor, **bench.live(scripts, sessions)})
    return {"seconds": seconds, "capacity": round(capacity, 1), "backlog": backlog, "loads": loads}


def table(loads: Sequence[dict[str, Any]]) -> Table:
    """A row a load."""
    titles = "load|sessions|partials|shed|finals|lost|changed|latest final|chunks behind|worked off|peak MB"
    shown = Table(*titles.split("|"), box=None)
    for load in loads:
        finals, partials, worked_off_s = load["finals"], load["partials"], load["worked_off_after_s"]
        peaks = ", ".join(f"{name} {most}" for name, most in load["peak_mb"].items())
        waits_ms = load["final_wait_ms"]["most"]
        shown.add_row(
            f"{load['factor']:g}x",
            *(str(figure) for figure in (load["sessions"], partials["wanted"], partials["shed"])),
            *(str(finals[name]) for name in ("expected", "lost", "changed")),
            "none came" if waits_ms is None else f"{waits_ms / 1000:.1f} s",
            str(load["most_records_behind"]),
            "never" if worked_off_s is None else f"after {worked_off_s:.0f} s",
            peaks,
        )
    return shown


if __name__ == "__main__":
    main()
