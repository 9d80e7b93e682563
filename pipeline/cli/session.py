"""``voxflow session``: what was said in one session, past or live."""

import json
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from pipeline.cli.captions import clock
from pipeline.cli.displays import make_display
from pipeline.client.latency import Arrival
from pipeline.client.sessions import wall_ms
from pipeline.config import RedisSettings
from pipeline.delivery.cache import record
from pipeline.delivery.lookup import find_session
from pipeline.delivery.reading import SessionState, SessionView, StoredSegment
from pipeline.delivery.sessions import News, SessionReader, transcript_of
from pipeline.domain.types import Transcript, TranscriptKind


@click.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --follow, then one for each new text.")
@click.option("--follow", is_flag=True, help="Go on showing new texts until the session ends.")
def session(session_id: str, as_json: bool, follow: bool) -> None:
    """Show the text of SESSION with its times: what is final, then what is being said.

    Live sessions are read from Redis, where `voxflow deliver` puts them; past ones from Elasticsearch too.

    \b
    Examples:
      voxflow session talk-1                        all that was said
      voxflow session talk-1 --follow               and what comes
      voxflow session talk-1 --json | jq -r '.finals[].text'
    """
    if follow:
        _follow(session_id, as_json)
    else:
        view = find_session(os.environ, session_id)
        click.echo(_json(asdict(view)) if as_json else "\n".join(lines(view)))


def lines(view: SessionView) -> list[str]:
    """The session for people: a head, a line each final, and open texts marked with dots."""
    said = [segment_line(one) for one in view.finals if one.text or one.error]
    saying = [f"{segment_line(one)} ..." for one in view.partials]
    return [head(view), *said, *saying]


def head(view: SessionView) -> str:
    """Which session it is, whose, and how far it is."""
    started = "" if view.started_at_ms is None else f", started {moment(view.started_at_ms)}"
    ended = "" if view.ended_at_ms is None else f", ended {moment(view.ended_at_ms)}"
    told = f"{view.session_id!r} of {view.tenant!r}: {view.state.value}, {clock(view.duration_ms)} heard"
    return f"session {told}{started}{ended}"


def segment_line(one: StoredSegment) -> str:
    """``0:12.3-0:14.0  text``, and the channel where it is not 0."""
    text = one.text if one.error is None else f"[not recognised: {one.error}]"
    channel = (f"channel {one.channel}",) if one.channel else ()
    return "  ".join((f"{clock(one.start_ms)}-{clock(one.end_ms)}", *channel, text))


def moment(at_ms: int) -> str:
    """Wall-clock milliseconds as date and time, UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _follow(session_id: str, as_json: bool) -> None:
    """Listens first and reads then, so that nothing falls between."""
    with closing(SessionReader(RedisSettings.from_environ(os.environ))) as reader:
        news = reader.news(session_id)
        view = reader.session(session_id)
        try:
            if as_json:
                _follow_as_json(view, news)
            else:
                _follow_as_text(session_id, view, news)
        except KeyboardInterrupt:
            pass  # the usual way to end it


def _follow_as_json(view: SessionView | None, news: News) -> None:
    if view is not None:
        click.echo(_json(asdict(view)))
    if view is None or view.state is SessionState.LIVE:
        for transcript in news:
            click.echo(_json(record(transcript)))
            if transcript.kind is TranscriptKind.SESSION_END:
                return


def _follow_as_text(session_id: str, view: SessionView | None, news: News) -> None:
    click.echo(head(view) if view is not None else f"session {session_id!r}: nothing was said yet")
    known = {(one.channel, one.segment) for one in view.finals} if view is not None else set()
    with make_display({session_id: session_id}, click.echo) as display:
        for one in (*view.finals, *view.partials) if view is not None else ():
            display.show(Arrival(_shown(one), wall_ms()))
        if view is not None and view.state is SessionState.ENDED:
            return
        for transcript in news:
            if (transcript.channel, transcript.segment) not in known or not transcript.is_final:
                display.show(Arrival(transcript, wall_ms()))
            if transcript.kind is TranscriptKind.SESSION_END:
                return


def _shown(segment: StoredSegment) -> Transcript:
    """The stored segment as displays take it."""
    kind = TranscriptKind.FINAL if segment.is_final else TranscriptKind.PARTIAL
    fields = {name: getattr(segment, name) for name in StoredSegment.__slots__ if name not in ("is_final", "words")}
    return transcript_of(fields | {"kind": kind.value, "emitted_at_ms": 0})


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
