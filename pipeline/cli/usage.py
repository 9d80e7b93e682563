"""``voxflow usage``: who used how much, minute by minute."""

import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.adapters.kafka import ensure_topics
from pipeline.client.usage import newest, stored_usage
from pipeline.config import KafkaSettings
from pipeline.domain.usage import Usage

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment_ms(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A duration before now, such as 90m, 2h or 1d, or a moment in ISO 8601, as milliseconds since 1970."""
    duration = re.fullmatch(r"(\d+)([smhd])", value)
    if duration is not None:
        ago = timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        return time.time_ns() // 1_000_000 - ago // timedelta(milliseconds=1)
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    except ValueError:
        examples = "neither a duration such as 90m, 2h or 1d nor a moment such as 2026-01-31T09:00"
        raise click.BadParameter(f"{value!r} is {examples}", ctx, param) from None


@click.command()
@click.option("--tenant", metavar="NAME", help="Only this tenant.")
@click.option(
    "--since",
    "since_ms",
    metavar="TIME",
    default="1h",
    show_default=True,
    callback=moment_ms,
    help="A duration such as 90m, 2h or 1d, or a moment such as 2026-01-31T09:00 (local time).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a minute and tenant.")
def usage(tenant: str | None, since_ms: int, as_json: bool) -> None:
    """Show sessions, audio, speech and waits of each tenant, minute by minute.

    Late audio corrects a minute: the newest figures are shown. Waits count from the end of speech to the final.

    \b
    Examples:
      voxflow usage                          the last hour
      voxflow usage --tenant acme --since 1d
      voxflow usage --json | jq .audio_ms    for programs
    """
    settings = KafkaSettings.from_environ(os.environ)
    ensure_topics(settings)
    minutes = [
        one
        for one in newest(stored_usage(settings))
        if one.window_end_ms > since_ms and (tenant is None or one.tenant == tenant)
    ]
    if as_json:
        for one in minutes:
            click.echo(json.dumps(asdict(one), ensure_ascii=False))
    else:
        Console().print(table(minutes) if minutes else "no usage in this time")


def table(minutes: Sequence[Usage]) -> Table:
    """A row a minute and tenant; local time."""
    numbers = ("sessions", "audio s", "speech s", "gaps ms", "finals", "rejected", "p50 ms", "p95 ms")
    shown = Table("minute", "tenant", box=None)
    for name in numbers:
        shown.add_column(name, justify="right")
    for one in minutes:
        shown.add_row(
            datetime.fromtimestamp(one.window_start_ms / 1000).strftime("%Y-%m-%d %H:%M"),
            Text(one.tenant or "(unknown)"),
            str(one.sessions),
            f"{one.audio_ms / 1000:.1f}",
            f"{one.speech_ms / 1000:.1f}",
            str(one.gap_ms),
            str(one.finals),
            str(one.dead_letters),
            _wait(one.wait_p50_ms),
            _wait(one.wait_p95_ms),
        )
    return shown


def _wait(wait_ms: int | None) -> str:
    return "-" if wait_ms is None else str(wait_ms)
