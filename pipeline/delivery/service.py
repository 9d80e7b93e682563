"""``voxflow deliver`` as a process: a thread and a consumer group for each view, until it is told to stop.

Views know nothing of one another: one that is down, or slow, holds up no other. A loop that fails for good, because
something is set up wrongly, ends the process with its error rather than leave a view behind in silence.
"""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Event
from typing import Any, Final

from pipeline.adapters.kafka import DeadLetterWriter, GroupReader
from pipeline.config import DeliverySettings, ElasticsearchSettings, KafkaSettings, RedisSettings
from pipeline.delivery.cache import CacheView
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.loop import DeliveryLoop
from pipeline.delivery.view import View

Environ = Mapping[str, str]

REDIS: Final = "redis"
ELASTICSEARCH: Final = "elasticsearch"
USAGE: Final = "usage"
VIEWS: Final = (REDIS, ELASTICSEARCH, USAGE)

LISTEN_FOR_SIGNALS_S: Final = 0.5
"""Python handles a signal between two steps of the main thread, so that thread must take some."""


def make_loop(view: str, environ: Environ, health: ViewHealth) -> DeliveryLoop[Any]:
    """The loop of a view, a member of the view's group. Raises SetupError and BrokerUnreachable."""
    kafka, settings = KafkaSettings.from_environ(environ), DeliverySettings.from_environ(environ)
    made = make_view(view, environ)
    source = GroupReader(kafka, settings.group_of(view), topics_of(view, kafka))
    letters = DeadLetterWriter(kafka, kafka.topics.delivery_dead_letters)
    return DeliveryLoop(source, made, letters, settings, health, chance=random.random)


def topics_of(view: str, kafka: KafkaSettings) -> tuple[str, ...]:
    """Partials are a live thing: only the cache shows them."""
    topics = kafka.topics
    of_views = {REDIS: (topics.finals, topics.partials), ELASTICSEARCH: (topics.finals,), USAGE: (topics.usage,)}
    return of_views[view]


def make_view(view: str, environ: Environ) -> View[Any]:
    """The view of that name; its server need not be there yet."""
    if view == REDIS:
        finals = KafkaSettings.from_environ(environ).topics.finals
        return CacheView(RedisSettings.from_environ(environ), DeliverySettings.from_environ(environ), finals)
    # Imported here, since the client of Elasticsearch is slow to load.
    from pipeline.delivery.index import index_view
    from pipeline.delivery.usage_index import UsageView

    return UsageView(ElasticsearchSettings.from_environ(environ)) if view == USAGE else index_view(environ)


def deliver(loops: Sequence[DeliveryLoop[Any]], stop: Event) -> None:
    """Runs the loops, each in a thread of its own, until ``stop`` is set or one fails. Raises what it raised."""
    with ThreadPoolExecutor(len(loops), thread_name_prefix="deliver") as threads:
        running = {threads.submit(loop.run, stop) for loop in loops}
        while running:
            ended, running = wait(running, LISTEN_FOR_SIGNALS_S, FIRST_COMPLETED)
            for future in ended:
                stop.set()
                future.result()
