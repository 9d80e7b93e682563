"""``make chaos``: every fault in turn, on a stack of its own, and a report of what it changed."""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click
from rich.console import Console

from pipeline.errors import VoxflowError
from tests.chaos.cluster import cluster_in
from tests.chaos.disk import NoSmallDisk
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.rows import Row, table
from tests.chaos.stage import Stage

HOME: Final = Path(".voxflow/chaos").absolute()
RESULTS: Final = Path(".voxflow/chaos.json").absolute()
SPEECH_S: Final = 44
"""As long as the recording: long enough that a cluster which was killed early hears most of it live."""


@click.command()
@click.option(
    "--only",
    "chosen",
    multiple=True,
    type=click.Choice([fault.name for fault in FAULTS]),
    metavar="FAULT",
    help="Try this fault alone; several times for several.",
)
@click.option("--sessions", type=click.IntRange(1, 16), default=4, show_default=True, help="Voices that speak at once.")
@click.option("--list", "list_only", is_flag=True, help="Say which faults there are, and what they do.")
def main(chosen: Sequence[str], sessions: int, list_only: bool) -> None:
    """Break the system in every way there is while people speak, and show that the final texts stay the same.

    Kafka and Flink run on ports of their own under .voxflow/chaos, whose logs stay there. Rows go to
    .voxflow/chaos.json, whose recovery_s is the longest time without any text from the fault on. The exit status is 1
    if a final was lost, doubled or changed, if audio was not heard, or if 15 s passed after a kill without a text.

    \b
    Examples:
      python -m tests.chaos                                   all of them, about a quarter of an hour
      python -m tests.chaos --only none --only taskmanager
      python -m tests.chaos --list
    """
    if list_only:
        for fault in FAULTS:
            click.echo(f"{fault.name:16} {fault.what}")
        return
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        rows = tried([fault for fault in FAULTS if not chosen or fault.name in chosen], sessions)
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    Console(width=None if sys.stdout.isatty() else 200).print(table(rows))
    click.echo(f"written to {RESULTS}")
    sys.exit(0 if all(row.is_good for row in rows) else 1)


def tried(faults: Sequence[Fault], sessions: int) -> list[Row]:
    """A row for each fault, written as they come. Raises StackError when there is no stack to break."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="voxflow-chaos-") as folder, cluster_in(HOME, _say) as cluster:
        stage = Stage(cluster, sessions, SPEECH_S, Path(folder))
        for number, fault in enumerate(faults, 1):
            click.echo(f"{number}/{len(faults)} {fault.name}: {fault.what}", err=True)
            began_s = time.monotonic()
            rows.append(row_of(fault, stage))
            RESULTS.write_text(json.dumps([row.record() for row in rows], indent=2) + "\n")
            _say(f"{rows[-1].summary} ({time.monotonic() - began_s:.0f} s)")
    return rows


def row_of(fault: Fault, stage: Stage) -> Row:
    """What came of one fault; a system that could not be repaired is a row, too, and the next fault gets a new job."""
    try:
        found = fault.trial(stage)
    except NoSmallDisk as error:
        return Row(fault.name, stage.sessions, skipped=True, note=str(error))
    except (VoxflowError, OSError) as error:
        return Row(fault.name, stage.sessions, problem=str(error))
    return Row(
        fault.name, found.sessions, found.verdict, found.silence_s, fault.kills, note=found.note, problem=found.problem
    )


def _say(line: str) -> None:
    click.echo(f"    {line}", err=True)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    """A run that is asked to end takes its stack down like one that is interrupted at the keyboard."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
