"""``voxflow search``: who said it, and where in the recording?"""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from pipeline.cli.captions import clock
from pipeline.cli.moments import maybe_moment_ms
from pipeline.config import ElasticsearchSettings
from pipeline.delivery.search import Hit, Page, Query, Search

SHOWN_AROUND: Final = 120
"""Characters shown before the first word found and after it, where a text is long."""


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WORDS...")
@click.option(
    "--since",
    metavar="TIME",
    callback=maybe_moment_ms,
    help="Spoken then or later: a duration such as 90m, 2h or 1d, or a moment such as 2026-01-31T09:00 (local time).",
)
@click.option("--until", metavar="TIME", callback=maybe_moment_ms, help="Spoken before this time.")
@click.option("--tenant", metavar="NAME", help="Only sessions of this tenant.")
@click.option("--session", "session_id", metavar="ID", help="Only this session.")
@click.option(
    "--order",
    type=click.Choice(["best", "newest", "oldest"]),
    default="best",
    show_default=True,
    help="What comes first.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Hits at once.")
@click.option("--after", metavar="PLACE", help="Go on where an earlier page ended; that page says where.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: total, hits, and after, or null at the end.")
def search(words: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Find segments of speech with all these WORDS, in any form: season finds seasons.

    Put a phrase into quotes (and those into others, for the shell) to find it as it stands. Further operators: a | b,
    -without, begin*, tpyo~. The time is that of the first word found, in the recording.

    \b
    Examples:
      voxflow search season of light
      voxflow search '"the season of light"' --tenant acme
      voxflow search refund --since 1d --order newest --limit 50
      voxflow search refund --json | jq -r '.hits[] | [.session_id, .at_ms, .text] | @tsv'

    \b
    Variables: VOXFLOW_ELASTICSEARCH_URL, VOXFLOW_ELASTICSEARCH_API_KEY, VOXFLOW_ELASTICSEARCH_PREFIX.
    """
    query = query_of(" ".join(words), **options)
    with closing(Search(ElasticsearchSettings.from_environ(os.environ))) as index:
        page = index.find(query)
    if as_json:
        click.echo(json.dumps(record(page), ensure_ascii=False))
    else:
        show(page, Console(highlight=False))


def query_of(words: str, since: int | None, until: int | None, **options: Any) -> Query:
    return Query(words, since_ms=since, until_ms=until, **options)


def record(page: Page) -> dict[str, Any]:
    """The page as plain data, for JSON."""
    return {"total": page.total, "hits": [hit_record(hit) for hit in page.hits], "after": page.after}


def hit_record(hit: Hit) -> dict[str, Any]:
    """The segment as it is stored, and what the search adds."""
    found = {"at_ms": hit.at_ms, "captured_at_ms": hit.captured_at_ms, "score": hit.score, "marks": hit.marks}
    return asdict(hit.segment) | found


def show(page: Page, console: Console) -> None:
    """For people: a line each hit, and how to go on."""
    for hit in page.hits:
        console.print(hit_line(hit), soft_wrap=True)
    console.print(Text(summary(page), "dim"), soft_wrap=True)


def summary(page: Page) -> str:
    if not page.total:
        return "nothing found; texts are there about a second after `voxflow deliver` has written them"
    told = f"{len(page.hits)} of {page.total} segments"
    return told if page.after is None else f"{told}; more with: --after {page.after}"


def hit_line(hit: Hit) -> Text:
    """``0:12.3  talk-1  2026-11-22 14:30  text``, with the words found set off; the date is local time."""
    segment = hit.segment
    spoken = f"{datetime.fromtimestamp(hit.captured_at_ms / 1000):%Y-%m-%d %H:%M}"
    channel = f" channel {segment.channel}" if segment.channel else ""
    labels = (f"{clock(hit.at_ms)}  ", (f"{printable(segment.session_id)}{channel}  ", "cyan"), (f"{spoken}  ", "dim"))
    return Text.assemble(*labels, excerpt(segment.text, hit.marks))


def excerpt(text: str, marks: Sequence[tuple[int, int]]) -> Text:
    """The text around the first mark, with all marks in it set off."""
    centre = marks[0][0] if marks else 0
    begin, end = max(0, centre - SHOWN_AROUND), centre + 2 * SHOWN_AROUND
    shown = Text(printable(text[begin:end]))
    for first, last in marks:
        if first < end and last > begin:
            shown.stylize("bold yellow", max(first, begin) - begin, last - begin)
    return Text.assemble("..." if begin else "", shown, "..." if end < len(text) else "")


def printable(text: str) -> str:
    """One line that cannot disturb the terminal, of the same length."""
    return "".join(char if char.isprintable() else " " for char in text)
