"""Views under test: one in memory, and the real ones. Redis is real too: a server of its own, up in a moment."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipeline.adapters.elasticsearch import connect as elasticsearch_client
from pipeline.adapters.redis import Client, connect
from pipeline.config import DeliverySettings, ElasticsearchSettings, RedisSettings, StackSettings
from pipeline.delivery.cache import CacheView
from pipeline.delivery.index import IndexView
from pipeline.delivery.reading import StoredSegment
from pipeline.delivery.search import Page, Query, Search
from pipeline.delivery.sessions import SessionReader
from pipeline.delivery.view import View
from pipeline.domain.types import Transcript
from pipeline.local import redis as server
from pipeline.local.process import wait_until
from tests.conftest import SearchNode, free_ports
from tests.delivery.helpers import FINALS, MemoryView, delivery, final


@dataclass(frozen=True)
class RedisServer:
    """A Redis of this machine that tests may stop and start."""

    settings: StackSettings

    @property
    def redis(self) -> RedisSettings:
        return RedisSettings(f"redis://localhost:{self.settings.redis_port}/0")

    def start(self) -> None:
        server.start(self.settings)
        assert wait_until(lambda: server.ready(self.settings), 20)

    def stop(self) -> None:
        server.process(self.settings).stop()


@dataclass(frozen=True)
class Kept:
    """A view, and a way to read its finals that sees all that was written."""

    view: View[Transcript]
    finals: Callable[[str], tuple[StoredSegment, ...]]


class Found:
    """What searches find, once the index shows all that was written."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self.prefix = settings.prefix
        self.client = elasticsearch_client(settings)
        self.search = Search(settings)

    def finals(self, session_id: str = "s") -> tuple[StoredSegment, ...]:
        self._refresh()
        return self.search.session_finals(session_id)

    def texts(self, session_id: str = "s") -> list[str]:
        return [one.text for one in self.finals(session_id)]

    def page(self, words: str, **options: Any) -> Page:
        self._refresh()
        return self.search.find(Query(words, **options))

    def indices(self) -> list[str]:
        return sorted(self.client.indices.get(index=f"{self.prefix}-*").body)

    def close(self) -> None:
        self.search.close()
        self.client.close()

    def _refresh(self) -> None:
        self.client.indices.refresh(index=self.prefix, ignore_unavailable=True)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: make setup")
    (port,) = free_ports(1)
    running = RedisServer(StackSettings(home=tmp_path_factory.mktemp("redis"), redis_port=port))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Client]:
    """A client of the empty server."""
    client = connect(redis_server.redis)
    client.flushall()
    client.script_flush()
    yield client
    client.close()


@pytest.fixture
def cache(redis: Client, redis_server: RedisServer) -> Iterator[CacheView]:
    """The cache over the empty server, its first write behind it: that one always asks for the whole topic."""
    view = CacheView(redis_server.redis, DeliverySettings(ended_ttl_s=60, live_ttl_s=600), FINALS)
    redis.hset("voxflow:delivered", f"{FINALS}/0", 0)
    yield view
    view.close()


@pytest.fixture
def sessions(redis_server: RedisServer) -> Iterator[SessionReader]:
    reader = SessionReader(redis_server.redis)
    yield reader
    reader.close()


@pytest.fixture
def index_settings(search_node: SearchNode) -> ElasticsearchSettings:
    """Indices of the test's own, kept for ever: the tests' clock stands in 2023."""
    return ElasticsearchSettings((search_node.url,), prefix=f"test-{uuid.uuid4().hex[:12]}", retention_days=0)


@pytest.fixture
def index(index_settings: ElasticsearchSettings) -> Iterator[IndexView]:
    """The index, its first record written: an index that is not there yet asks for the whole topic."""
    view = IndexView(index_settings)
    view.write([delivery(final(session_id="the first"), offset=0)])
    yield view
    view.close()


@pytest.fixture
def bootstrap_http() -> Iterator[str]:
    """A web server that is not Elasticsearch."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture
def found(index_settings: ElasticsearchSettings) -> Iterator[Found]:
    reading = Found(index_settings)
    yield reading
    reading.close()


REAL = [pytest.param(name, marks=pytest.mark.e2e) for name in ("redis", "elasticsearch")]


@pytest.fixture(params=["memory", *REAL])
def kept(request: pytest.FixtureRequest) -> Kept:
    """Each view in turn, empty."""
    if request.param == "memory":
        memory = MemoryView()
        return Kept(memory, memory.finals)
    if request.param == "elasticsearch":
        found: Found = request.getfixturevalue("found")
        return Kept(request.getfixturevalue("index"), found.finals)
    cache: CacheView = request.getfixturevalue("cache")
    reader: SessionReader = request.getfixturevalue("sessions")
    return Kept(cache, lambda session_id: view.finals if (view := reader.session(session_id)) else ())


@pytest.fixture
def voxflow_environ(redis_server: RedisServer) -> dict[str, str]:
    """What a voxflow command must know to use the server."""
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, "VOXFLOW_REDIS_URL": redis_server.redis.url}
