"""A session is found wherever it is, and shown or exported the same way."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.adapters.redis import Client
from pipeline.cli import main
from pipeline.delivery.cache import CacheView, events_channel
from pipeline.delivery.lookup import find_session
from pipeline.delivery.reading import SessionState, StoredSegment
from pipeline.errors import SetupError, ViewUnavailable
from pipeline.local.process import wait_until
from tests.delivery.helpers import AWKWARD_ID, deliveries, final, partial, session_end

NOBODY = {
    "VOXFLOW_REDIS_URL": "redis://:secret@localhost:9/0",
    "VOXFLOW_ELASTICSEARCH_URL": "http://localhost:9",
}
STORED = StoredSegment("s", "ours", 0, 1, 1000, 2000, "later"), StoredSegment("s", "ours", 0, 0, 0, 1000, "first")


def index(environ: Mapping[str, str], session_id: str) -> Sequence[StoredSegment]:
    """An index that knows one session."""
    return STORED if session_id == "s" else ()


def absent(environ: Mapping[str, str], session_id: str) -> Sequence[StoredSegment]:
    raise ViewUnavailable("Elasticsearch is away")


def voxflow(environ: Mapping[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env=dict(environ))


def shown(environ: Mapping[str, str], *arguments: str) -> str:
    result = voxflow(environ, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_while_redis_is_away_the_index_answers() -> None:
    view = find_session(NOBODY, "s", index)
    assert (view.tenant, view.state, view.duration_ms) == ("ours", SessionState.ENDED, 2000)
    assert [one.text for one in view.finals] == ["first", "later"]


@pytest.mark.parametrize("lookup", [index, absent])
def test_a_session_that_cannot_be_found_while_redis_is_away_says_that_redis_is_away(lookup: object) -> None:
    with pytest.raises(ViewUnavailable, match="Redis does not answer") as away:
        find_session(NOBODY, "unknown", lookup)  # type: ignore[arg-type]
    assert "secret" not in str(away.value)


def test_help_teaches_with_examples() -> None:
    for command in ("deliver", "session", "export"):
        assert f"  voxflow {command}" in shown({}, command, "--help")


@pytest.mark.e2e
def test_a_session_that_nobody_knows_is_named(redis: object, voxflow_environ: Mapping[str, str]) -> None:
    with pytest.raises(SetupError, match="'unknown' is neither in Redis nor in Elasticsearch"):
        find_session(voxflow_environ, "unknown", index)


@pytest.mark.e2e
def test_a_live_session_is_shown_with_its_times_and_what_is_being_said(
    cache: CacheView, voxflow_environ: Mapping[str, str]
) -> None:
    cache.write(deliveries(final(0), final(1, channel=1), partial(2)))
    assert shown(voxflow_environ, "session", "s").splitlines() == [
        "session 's' of 'default': live, 0:03.0 heard, started 2023-11-14 22:13:20 UTC",
        "0:00.0-0:01.0  text 0",
        "0:01.0-0:02.0  channel 1  text 1",
        "0:02.0-0:03.0  partial 2.0 ...",
    ]


@pytest.mark.e2e
def test_following_a_session_that_has_ended_shows_it_and_returns(
    cache: CacheView, voxflow_environ: Mapping[str, str]
) -> None:
    cache.write(deliveries(final(0), session_end()))
    assert shown(voxflow_environ, "session", "s", "--follow").splitlines()[1:] == ["0:00.0  text 0"]


@pytest.mark.e2e
def test_following_a_live_session_tells_each_text_as_it_comes_and_ends_with_it(
    cache: CacheView, redis: Client, voxflow_environ: Mapping[str, str]
) -> None:
    cache.write(deliveries(partial(0, 0)))
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(shown, voxflow_environ, "session", "s", "--follow", "--json")
        assert wait_until(lambda: redis.pubsub_numsub(events_channel("s"))[0][1] == 1, 20)
        cache.write(deliveries(final(0), partial(1, 0), session_end()))
        told = [json.loads(line) for line in following.result(20).splitlines()]
    assert "finals" in told[0]
    assert [one["kind"] for one in told[1:]] == ["FINAL", "PARTIAL", "SESSION_END"]


@pytest.mark.e2e
def test_a_session_is_exported_in_each_format_whatever_its_id(
    cache: CacheView, voxflow_environ: Mapping[str, str], tmp_path: Path
) -> None:
    session_id = AWKWARD_ID.replace("\x00", "")  # which no argument of a command can hold
    cache.write(deliveries(final(0, session_id=session_id), final(1, session_id=session_id, text="")))
    path = tmp_path / "talk.srt"
    assert shown(voxflow_environ, "export", session_id, "--format", "srt", "-o", str(path)) == ""
    assert path.read_text() == "1\n00:00:00,000 --> 00:00:01,000\ntext 0\n"
    assert shown(voxflow_environ, "export", session_id, "--format", "vtt").startswith("WEBVTT\n")
    assert shown(voxflow_environ, "export", session_id, "--format", "txt") == "text 0\n"
    exported = json.loads(shown(voxflow_environ, "export", session_id, "--format", "json"))
    assert exported == json.loads(shown(voxflow_environ, "session", session_id, "--json"))
    assert [one["text"] for one in exported["finals"]] == ["text 0", ""]


@pytest.mark.e2e
def test_a_file_that_cannot_be_written_is_named(cache: CacheView, voxflow_environ: Mapping[str, str]) -> None:
    cache.write(deliveries(final(0)))
    result = voxflow(voxflow_environ, "export", "s", "--format", "txt", "-o", "/nowhere/talk.txt")
    assert result.exit_code == 1
    assert "/nowhere/talk.txt" in result.stderr
