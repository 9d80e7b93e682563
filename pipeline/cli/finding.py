"""Delivery for as long as it takes to find what was just said: the last act of the demonstration."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from pipeline.cli.search import hit_record
from pipeline.config import ElasticsearchSettings
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.search import Hit, Query, Search
from pipeline.delivery.service import VIEWS, deliver, make_loop
from pipeline.errors import ViewUnavailable

PATIENCE_S: Final = 60.0
POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Finding:
    """What a search gave, and how many seconds after the start of delivery."""

    words: str
    hits: tuple[Hit, ...]
    after_s: float

    def record(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {"words": self.words, "hits": list(map(hit_record, self.hits)), "after_s": round(self.after_s, 2)}


def found_after_delivery(environ: Mapping[str, str], settings: ElasticsearchSettings, query: Query) -> Finding:
    """Delivers until the query finds something, or patience ends. Raises SetupError and BrokerUnreachable."""
    began_s = time.monotonic()
    with delivering(environ), closing(Search(settings)) as search:
        while not (hits := _hits(search, query)) and time.monotonic() - began_s < PATIENCE_S:
            time.sleep(POLL_S)
    return Finding(query.words, hits, time.monotonic() - began_s)


def _hits(search: Search, query: Query) -> tuple[Hit, ...]:
    """None also while the index is being made: it answers a moment later than it is there."""
    try:
        return search.find(query).hits
    except ViewUnavailable:
        return ()


@contextmanager
def delivering(environ: Mapping[str, str]) -> Iterator[None]:
    """Delivery to all views in threads of this process, as `voxflow deliver` does it. Raises what ended it early."""
    stop = Event()
    loops = [make_loop(view, environ, ViewHealth(view)) for view in VIEWS]
    with ThreadPoolExecutor(1, thread_name_prefix="delivery") as thread:
        running = thread.submit(deliver, loops, stop)
        try:
            yield
        finally:
            stop.set()
        running.result()
