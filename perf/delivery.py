"""How soon is a final text where applications look, and how fast is a view written anew?

Finals of this script's own are published to topics of its own; perf/README.md says what is measured.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import click
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline.adapters import elasticsearch, redis
from pipeline.adapters.kafka import DeadLetterWriter, GroupReader, ensure_topics
from pipeline.adapters.kafka.client import client_config
from pipeline.cli.borrowed import borrowed_stack
from pipeline.client.machine import machine
from pipeline.codecs.avro import encode_transcript
from pipeline.config import DeliverySettings, ElasticsearchSettings, KafkaSettings, RedisSettings, StackSettings, Topics
from pipeline.delivery.cache import CacheView, events_channel
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.index import IndexView
from pipeline.delivery.indices import Indices
from pipeline.delivery.loop import DeliveryLoop
from pipeline.delivery.rebuild import Report, rebuild_in_place, rebuild_index
from pipeline.delivery.view import View
from pipeline.domain.scoring import percentiles
from pipeline.domain.types import StageTimes, Transcript, TranscriptKind, Word
from pipeline.errors import ViewUnavailable, VoxflowError

TEXT: Final = "It was the best of times, it was the worst of times, it was the age of wisdom"
SESSIONS: Final = 400
"""At 200 finals a second each session ends a segment every two seconds, as people do."""

POLL_S: Final = 0.05
"""How often the index is searched: so exact is the time after which a text was found there."""

SETTLING_S: Final = 3.0
PATIENCE_S: Final = 60.0
RESULTS: Final = Path(__file__).parent / "results" / "delivery.json"

Seen = dict[int, float]
"""Number of a final to the moment at which it was seen, seconds of the monotonic clock."""


@click.command()
@click.option("--rate", type=click.IntRange(1, 5_000), default=200, show_default=True, help="Finals a second.")
@click.option("--seconds", type=click.IntRange(1), default=30, show_default=True, help="For how long.")
@click.option("--rebuild", "count", type=click.IntRange(1), default=20_000, show_default=True, help="Finals rebuilt.")
def main(rate: int, seconds: int, count: int) -> None:
    """Measure delivery on the local stack and write perf/results/delivery.json.

    \b
    Examples:
      python perf/delivery.py                              about two minutes
      python perf/delivery.py --rate 1000 --seconds 10
    """
    try:
        with borrowed_stack(click.echo) as stack, closing(Bench(stack.settings)) as bench:
            waits = bench.waits(rate, seconds)
            rates = bench.rebuild_rates(count)
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    case = {"finals_per_s": rate, "seconds": seconds, "rebuilt": count + rate * seconds}
    result = {"machine": machine(), "case": case, "visible_after_ms": waits, "rebuilt_per_s": rates}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    Console().print(table(waits, rates))
    click.echo(f"written to {RESULTS}")


class Bench:
    """Topics, consumer groups and indices of this run alone; the cache lets go of its sessions by itself."""

    def __init__(self, stack: StackSettings) -> None:
        self.name = f"perf-{uuid.uuid4().hex[:8]}"
        topics = Topics(*(f"{self.name}.{what}" for what in ("audio", "dlq", "partial", "final", "usage", "letters")))
        self.kafka = KafkaSettings(f"localhost:{stack.kafka_port}", topics)
        self.redis = RedisSettings(f"redis://localhost:{stack.redis_port}/0")
        self.index = ElasticsearchSettings((f"http://localhost:{stack.elasticsearch_port}",), prefix=self.name)
        self.producer = Producer(client_config(self.kafka, linger_ms=2))
        self.published = 0
        ensure_topics(self.kafka)

    def waits(self, rate: int, seconds: int) -> dict[str, Any]:
        """From the publication of a final to its being found, percentiles in milliseconds."""
        watches = {"redis": self._news, "elasticsearch": self._searches}
        seen: dict[str, Seen] = {view: {} for view in watches}
        sent: Seen = {}
        with ExitStack() as running:
            for view in (self._cache(), IndexView(self.index)):
                running.enter_context(self._delivering(view))
            for view_name, watch in watches.items():
                running.enter_context(in_background(watch, seen[view_name]))
            time.sleep(SETTLING_S)
            self._publish_at(rate, seconds, sent)
            give_up_s = time.monotonic() + PATIENCE_S
            while any(len(one) < len(sent) for one in seen.values()) and time.monotonic() < give_up_s:
                time.sleep(POLL_S)
        return {view: summary(sent, one) for view, one in seen.items()}

    def rebuild_rates(self, count: int) -> dict[str, float]:
        """Finals a second over the whole of a rebuild."""
        for _ in track(range(count), "publishing"):
            self._publish()
        self.producer.flush()
        with closing(self._cache()) as cache:
            return {
                "redis": rate_of(lambda show: rebuild_in_place(self.kafka, cache, None, show), "redis"),
                "elasticsearch": rate_of(lambda show: rebuild_index(self.kafka, self.index, None, show), "index"),
            }

    def close(self) -> None:
        client = elasticsearch.connect(self.index)
        indices = Indices(client, self.index)
        indices.delete(indices.published())
        client.indices.delete_index_template(name=self.name)
        client.cluster.delete_component_template(name=f"{self.name}@voxflow")
        client.close()

    def _cache(self) -> CacheView:
        settings = DeliverySettings(ended_ttl_s=600, live_ttl_s=600)
        return CacheView(self.redis, settings, self.kafka.topics.finals)

    @contextmanager
    def _delivering(self, view: View[Transcript]) -> Iterator[None]:
        settings = DeliverySettings(group=self.name)
        source = GroupReader(self.kafka, settings.group_of(view.name), [self.kafka.topics.finals])
        letters = DeadLetterWriter(self.kafka, self.kafka.topics.delivery_dead_letters)
        loop = DeliveryLoop(source, view, letters, settings, ViewHealth(view.name), lambda: 0.5)
        stop = Event()
        thread = Thread(target=loop.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _publish_at(self, rate: int, seconds: int, sent: Seen) -> None:
        start_s = time.monotonic()
        for number in track(range(rate * seconds), f"publishing {rate} finals a second"):
            time.sleep(max(0.0, start_s + number / rate - time.monotonic()))
            sent[self.published] = time.monotonic()
            self._publish()
        self.producer.flush()

    def _publish(self) -> None:
        one = final(self.name, self.published)
        self.published += 1
        while True:
            try:
                self.producer.produce(self.kafka.topics.finals, encode_transcript(one), one.session_id)
                self.producer.poll(0)
                return
            except BufferError:
                self.producer.poll(POLL_S)

    def _news(self, seen: Seen, stop: Event) -> None:
        """Every final as the cache announces it, in the moment in which it can be read."""
        with closing(redis.connect(self.redis)) as client, closing(client.pubsub()) as pubsub:
            pubsub.psubscribe(events_channel(f"{self.name}-*"))
            while not stop.is_set():
                message = pubsub.get_message(ignore_subscribe_messages=True, timeout=POLL_S)
                if message is not None:
                    seen.setdefault(json.loads(message["data"])["segment"], time.monotonic())

    def _searches(self, seen: Seen, stop: Event) -> None:
        """Every final as a search finds it."""
        with closing(elasticsearch.connect(self.index)) as client:
            newest = -1
            while not stop.wait(POLL_S):
                for number in self._found(client, newest):
                    seen.setdefault(number, time.monotonic())
                newest = contiguous(seen, newest)

    def _found(self, client: elasticsearch.Client, newest: int) -> list[int]:
        """The numbers above ``newest`` that a search finds; none while the index is being made."""
        query = {"range": {"segment": {"gt": newest}}}
        with suppress(ViewUnavailable), elasticsearch.answering(self.index):
            answer = client.search(
                index=self.name, ignore_unavailable=True, size=10_000, source=False, fields=["segment"], query=query
            )
            return [hit["fields"]["segment"][0] for hit in answer["hits"]["hits"]]
        return []


@contextmanager
def in_background(watch: Callable[[Seen, Event], None], seen: Seen) -> Iterator[None]:
    stop = Event()
    thread = Thread(target=watch, args=(seen, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def contiguous(seen: Seen, newest: int) -> int:
    """The highest number up to which all were seen: partitions do not advance in step."""
    while newest + 1 in seen:
        newest += 1
    return newest


def final(name: str, number: int) -> Transcript:
    """The final of that number, with a word every 300 ms, spoken now; the number is its segment."""
    now_ms = int(time.time() * 1000)
    words = tuple(Word(word, 0.9, 300 * n, 300 * n + 250) for n, word in enumerate(TEXT.split()))
    return Transcript(
        session_id=f"{name}-{number % SESSIONS}",
        tenant="perf",
        kind=TranscriptKind.FINAL,
        channel=0,
        segment=number,
        revision=1,
        text=TEXT,
        stable_chars=len(TEXT),
        start_ms=2000 * number,
        end_ms=2000 * number + 1900,
        words=words,
        language="en",
        model="perf",
        model_version="1",
        degraded=False,
        gap_ms=0,
        source_partition=0,
        source_first_offset=number,
        source_last_offset=number,
        times=StageTimes(*(now_ms for _ in range(7))),
    )


def summary(sent: Seen, seen: Seen) -> dict[str, Any]:
    """Percentiles in milliseconds. Raises ViewUnavailable if a final was not seen at all."""
    waits = [1000 * (seen[number] - sent[number]) for number in sent if number in seen]
    if len(waits) < len(sent):
        raise ViewUnavailable(f"only {len(waits)} of {len(sent)} finals were seen, {PATIENCE_S:.0f} s after the last")
    return {"finals": len(sent), **percentiles(waits)}


def rate_of(rebuild: Callable[[Callable[[int, int], None]], Report], name: str) -> float:
    """Records read a second."""
    began_s = time.monotonic()
    report = rebuild(lambda done, total: None)
    rate = report.read / (time.monotonic() - began_s)
    click.echo(f"{name} rebuilt: {report.read} records, {rate:.0f} a second")
    return round(rate, 1)


def table(waits: dict[str, Any], rates: dict[str, float]) -> Table:
    """A row a view."""
    shown = Table("view", "visible after p50", "p95", "p99", "rebuilt", box=None)
    for view, figures in waits.items():
        cells = [f"{figures[name]:.0f} ms" for name in ("p50", "p95", "p99")]
        shown.add_row(view, *cells, f"{rates[view]:.0f} finals/s")
    return shown


if __name__ == "__main__":
    main()
