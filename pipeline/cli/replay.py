"""``voxflow replay``: stored sessions recognised anew, beside the text that was stored."""

import json
import os
from dataclasses import replace
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.captions import clock
from pipeline.client.replay import Replay, replay_pipeline, replayed, stored_sessions
from pipeline.config import KafkaSettings
from pipeline.domain.comparison import Row, changed_words, rows, text_of
from pipeline.domain.endpointing import SHORTEST_SILENCE_MS, EndpointingSettings
from pipeline.domain.session import SessionSettings
from pipeline.domain.track import TrackSettings
from pipeline.domain.types import Transcript
from pipeline.engines.base import PROVIDERS, EngineSettings

DEFAULTS = TrackSettings()


@click.command()
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True)
@click.option("--provider", type=click.Choice(list(PROVIDERS)), help="Where the engine runs. Default: as the job's.")
@click.option("--threads", type=click.IntRange(1), help="Threads of the engine. Default: as the job's.")
@click.option(
    "--silence-ms",
    type=click.IntRange(SHORTEST_SILENCE_MS, 5_000),
    help=f"Silence that ends a segment, in milliseconds. Default: {DEFAULTS.endpointing.silence_ms}, the job's.",
)
@click.option(
    "--max-segment-ms",
    type=click.IntRange(2_000, 30_000),
    default=DEFAULTS.max_segment_ms,
    show_default=True,
    help="Longest segment, in milliseconds.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a session.")
def replay(
    sessions: tuple[str, ...],
    provider: str | None,
    threads: int | None,
    silence_ms: int | None,
    max_segment_ms: int,
    as_json: bool,
) -> None:
    """Recognise stored SESSIONs anew, in this process, and show what changed.

    The audio is read from Kafka by the offsets that a session's texts name. Nothing is written. Words that
    changed are highlighted; without options the texts are the same.

    \b
    Examples:
      voxflow replay talk-1                      what this version makes of it
      voxflow replay talk-1 --silence-ms 600     were longer segments better?
      voxflow replay talk-1 talk-2 --json | jq .word_difference_rate
    """
    settings = KafkaSettings.from_environ(os.environ)
    stored = stored_sessions(settings, dict.fromkeys(sessions))
    pipeline = replay_pipeline(_engine(provider, threads), _session(silence_ms, max_segment_ms))
    for session in stored:
        found = replayed(session, settings, pipeline)
        if as_json:
            click.echo(json.dumps(record(found), ensure_ascii=False))
        else:
            Console().print(view(found), summary(found), sep="\n")


def record(found: Replay) -> dict[str, Any]:
    """One session for programs."""
    errors = found.errors
    return {
        "session_id": found.stored.session_id,
        "ended": found.stored.ended,
        "chunks": found.heard.chunks,
        "skipped": found.heard.skipped,
        "words": errors.reference_words,
        "words_changed": errors.total,
        "word_difference_rate": errors.rate,
        "stored": [_segment(each) for each in found.stored.finals],
        "replayed": [_segment(each) for each in found.heard.finals],
    }


def view(found: Replay) -> RenderableType:
    """The stored text on the left, the new one on the right, a row for each stretch of speech."""
    shown = Table(found.stored.session_id, "stored", "replayed", box=None, expand=True)
    for row in rows(found.stored.finals, found.heard.finals):
        before, after = text_of(row.before), text_of(row.after)
        shown.add_row(_place(row), highlighted(before, after, "red"), highlighted(after, before, "green"))
    return shown


def summary(found: Replay) -> Text:
    """The difference in one line, and what it does not cover."""
    errors, heard = found.errors, found.heard
    line = f"{errors.total} of {errors.reference_words} words changed ({errors.rate:.1%}); {heard.chunks} chunks read"
    if heard.skipped:
        line += f", {heard.skipped} skipped as broken"
    if not found.stored.ended:
        line += "; the session's end is not stored: audio before its first and after its last final is left out"
    return Text(line, style="dim")


def highlighted(text: str, other: str, colour: str) -> Text:
    """``text`` with the words in bold colour that ``other`` does not have there."""
    pieces = ((piece.text, f"bold {colour}" if piece.changed else "") for piece in changed_words(text, other))
    return Text(" ").join(Text(words, style) for words, style in pieces)


def _place(row: Row) -> str:
    return clock(row.start_ms) if row.channel == 0 else f"channel {row.channel}  {clock(row.start_ms)}"


def _segment(transcript: Transcript) -> dict[str, Any]:
    names = ("channel", "segment", "start_ms", "end_ms", "text", "model", "model_version", "error")
    return {name: getattr(transcript, name) for name in names}


def _engine(provider: str | None, threads: int | None) -> EngineSettings:
    engine = EngineSettings.from_environ(os.environ)
    return replace(engine, provider=provider or engine.provider, threads=threads or engine.threads)


def _session(silence_ms: int | None, max_segment_ms: int) -> SessionSettings:
    """The job's settings, but for what was asked for."""
    endpointing = DEFAULTS.endpointing if silence_ms is None else EndpointingSettings.ending_after(silence_ms)
    return SessionSettings(track=replace(DEFAULTS, max_segment_ms=max_segment_ms, endpointing=endpointing))
