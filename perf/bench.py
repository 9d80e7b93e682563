"""All measurements in a row, each in a process of its own on a stack of its own, then the summary.

A part that fails or runs out of its time leaves no figures behind, also no old ones; the others go on.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from pipeline.config import StackSettings
from pipeline.errors import VoxflowError
from pipeline.local.stack import Stack

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "perf" / "results"
PORTS: Final = (
    "VOXFLOW_KAFKA_PORT",
    "VOXFLOW_KAFKA_CONTROLLER_PORT",
    "VOXFLOW_FLINK_REST_PORT",
    "VOXFLOW_FLINK_RPC_PORT",
    "VOXFLOW_ZOOKEEPER_PORT",
    "VOXFLOW_REDIS_PORT",
    "VOXFLOW_ELASTICSEARCH_PORT",
)
FOREIGN: Final = ("VOXFLOW_BOOTSTRAP_SERVERS", "VOXFLOW_TOPIC_PREFIX", "VOXFLOW_RECOGNIZER")
"""Variables that would have the parts measure something else."""

GRACE_S: Final = 30.0
"""A part that is told to end takes its servers down first."""


@dataclass(frozen=True, slots=True)
class Part:
    """A script, named as what it writes below perf/results/, and the minutes that it should take."""

    name: str
    module: str
    minutes: float
    arguments: tuple[str, ...] = ()

    @property
    def limit_s(self) -> float:
        return 60 * (1.5 * self.minutes + 1)


PARTS: Final = (
    Part("bare", "perf.bare", 1.5),
    Part("density", "perf.density", 9),
    Part("latency", "perf.latency", 3.5),
    Part("backlog", "perf.backlog", 2),
    Part("cold_start", "perf.cold_start", 1.5),
    Part("peers", "perf.peers", 4),
    Part("plumbing", "perf.plumbing", 5),
)
"""The latency at half load needs the density before it, the backlog the bare engine."""


@click.command()
@click.option("--only", multiple=True, type=click.Choice([part.name for part in PARTS]), help="Some parts alone.")
def main(only: tuple[str, ...]) -> None:
    """Measure everything and write perf/results/: figures, plots, summary.json and table.md.

    Exit code 1 if a part failed.

    \b
    Examples:
      python -m perf.bench                             all, in under half an hour on two cores
      python -m perf.bench --only density --only peers
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    environ = environment(os.environ, ROOT / ".voxflow" / "bench")
    chosen = [part for part in PARTS if not only or part.name in only]
    began_s, failed = time.monotonic(), []
    for number, part in enumerate(chosen, start=1):
        click.secho(f"[{number}/{len(chosen)}] {part.name}: about {part.minutes:g} minutes", bold=True)
        if (failure := failure_of(part, environ)) is not None:
            click.secho(f"{part.name} failed: {failure}", fg="red", err=True)
            failed.append(part.name)
    shutil.rmtree(ROOT / ".voxflow" / "bench", ignore_errors=True)
    for module in ("perf.plots", "perf.summary"):
        if subprocess.run([sys.executable, "-m", module], cwd=ROOT, check=False).returncode:
            failed.append(module)
    click.echo(
        f"{(time.monotonic() - began_s) / 60:.1f} minutes" + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    sys.exit(1 if failed else 0)


def failure_of(part: Part, environ: Mapping[str, str]) -> str | None:
    """Runs the part; why it has no result, or None if it has one. Its stack is down afterwards in any case."""
    result = RESULTS / f"{part.name}.json"
    result.unlink(missing_ok=True)
    began_s = time.monotonic()
    failure = ended(part, environ)
    down(environ)
    if failure is None and not result.exists():
        failure = f"it wrote no {result.name}"
    if failure is not None:
        result.unlink(missing_ok=True)
    click.echo(f"{part.name}: {(time.monotonic() - began_s) / 60:.1f} minutes")
    return failure


def ended(part: Part, environ: Mapping[str, str]) -> str | None:
    """Why the part's process did not succeed, or None. It is interrupted when its time is over, as by Ctrl-C."""
    command = [sys.executable, "-m", part.module, *part.arguments]
    with subprocess.Popen(command, cwd=ROOT, env=dict(environ)) as process:
        try:
            code = process.wait(part.limit_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stop:
            end(process)
            if isinstance(stop, KeyboardInterrupt):
                raise
            return f"it was not done after {part.limit_s / 60:.1f} minutes"
    return None if code == 0 else f"exit code {code}"


def end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def down(environ: Mapping[str, str]) -> None:
    """What a part that was killed left behind."""
    try:
        Stack(StackSettings.from_environ(environ)).down(lambda _: None)
    except VoxflowError as error:
        click.secho(str(error), fg="red", err=True)


def environment(inherited: Mapping[str, str], home: Path) -> dict[str, str]:
    """That of the parts: a stack of their own below ``home`` on free ports, without the views."""
    kept = {name: value for name, value in inherited.items() if name not in FOREIGN}
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    return {**kept, **ports, "VOXFLOW_HOME": str(home), "VOXFLOW_WITHOUT": "redis,elasticsearch"}


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listened on a moment ago, all different."""
    with ExitStack() as sockets:
        probes = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


if __name__ == "__main__":
    main()
