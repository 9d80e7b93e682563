"""Redis, as the live cache meets it: connections, scripts that survive a restart, and errors that say what to do.

Connecting never waits for a server: the first command does, for a few seconds, and raises ViewUnavailable.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Final

import redis
from redis.exceptions import AuthenticationError, NoScriptError, RedisError, ResponseError

from pipeline.config import RedisSettings
from pipeline.errors import SetupError, ViewUnavailable

ANSWER_TIMEOUT_S: Final = 5.0
"""How long Redis may take to answer before it counts as absent."""

IDLE_CHECK_S: Final = 30
"""A connection unused for so long is tried before it is trusted: a firewall may have cut it without a word."""

Client = redis.Redis
Argument = str | bytes | int
Reply = Any
"""What a command returns: int, bytes, a list of these, None, or the ResponseError that it met."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, known to the server by the hash of its text."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.source.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One run of a script."""

    script: Script
    keys: Sequence[Argument]
    arguments: Sequence[Argument]


def connect(settings: RedisSettings) -> Client:
    """A client of the server at the URL; TLS for rediss://. Raises SetupError for options it does not know."""
    try:
        return redis.Redis.from_url(
            settings.url,
            socket_timeout=ANSWER_TIMEOUT_S,
            socket_connect_timeout=ANSWER_TIMEOUT_S,
            health_check_interval=IDLE_CHECK_S,
            client_name="voxflow",
        )
    except (ValueError, TypeError) as exc:
        raise SetupError(f"VOXFLOW_REDIS_URL ({settings.address}) has an option that cannot be used: {exc}") from None


@contextmanager
def answering(settings: RedisSettings) -> Iterator[None]:
    """Turns what Redis's client raises into ViewUnavailable, in one line that says what to do."""
    try:
        yield
    except RedisError as exc:
        raise unavailable(exc, settings) from exc


def unavailable(error: RedisError, settings: RedisSettings) -> ViewUnavailable:
    """The error of ours. A server that answers, but cannot take anything now, is as good as absent."""
    if isinstance(error, ResponseError | AuthenticationError):
        return ViewUnavailable(f"Redis at {settings.address} refuses for now: {_one_line(error)}")
    return ViewUnavailable(
        f"Redis does not answer at {settings.address} ({_one_line(error)}): start the local stack with `voxflow up`, "
        "or set VOXFLOW_REDIS_URL to your server"
    )


def run_atomically(client: Client, calls: Sequence[ScriptCall]) -> list[Reply]:
    """All the calls in one transaction, and so in one round trip: nobody sees or flushes half of it. Their replies.

    A script that the server does not know, since it is new or was restarted, is loaded, and all calls are made again:
    they must bear that. Raises RedisError; an error of one call alone is in its reply.
    """
    replies = _executed(client, calls)
    if any(isinstance(reply, NoScriptError) for reply in replies):
        for script in {call.script.sha: call.script for call in calls}.values():
            client.script_load(script.source)
        replies = _executed(client, calls)
    return replies


def _executed(client: Client, calls: Sequence[ScriptCall]) -> list[Reply]:
    pipeline = client.pipeline(transaction=True)
    evaluate: Callable[..., object] = pipeline.evalsha
    for call in calls:
        evaluate(call.script.sha, len(call.keys), *call.keys, *call.arguments)
    replies: list[Reply] = pipeline.execute(raise_on_error=False)
    return replies


def _one_line(error: RedisError) -> str:
    return " ".join(str(error).split()) or type(error).__name__
