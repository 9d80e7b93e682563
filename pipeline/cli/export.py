"""``voxflow export``: a session's final text as a file for players, people or programs."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from pipeline.delivery.lookup import find_session
from pipeline.delivery.reading import SessionView
from pipeline.domain import subtitles
from pipeline.domain.subtitles import Cue


def as_json(view: SessionView) -> str:
    return json.dumps(asdict(view), ensure_ascii=False, indent=2) + "\n"


FORMATS: Final[dict[str, Callable[[SessionView], str]]] = {
    "srt": lambda view: subtitles.srt(cues(view)),
    "vtt": lambda view: subtitles.vtt(cues(view)),
    "txt": lambda view: subtitles.txt(cues(view)),
    "json": as_json,
}


@click.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--format", "kind", type=click.Choice(tuple(FORMATS)), required=True, help="What to write.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it; standard output without it.",
)
def export(session_id: str, kind: str, output: Path | None) -> None:
    """Write the final text of SESSION as subtitles, plain text or JSON.

    Times count from the session's first sample. Channels are told apart where there are several.

    \b
    Examples:
      voxflow export talk-1 --format srt -o talk-1.srt
      voxflow export talk-1 --format vtt > talk-1.vtt
      voxflow export talk-1 --format txt | wc -w
    """
    text = FORMATS[kind](find_session(os.environ, session_id))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise click.FileError(str(output), exc.strerror) from exc


def cues(view: SessionView) -> list[Cue]:
    """The finals as cues; a speaker is named where there is more than one channel."""
    several = len({one.channel for one in view.finals}) > 1
    return [Cue(one.start_ms, one.end_ms, one.text, f"channel {one.channel}" if several else "") for one in view.finals]
