"""The index built anew from the topic, on a real node and a real broker, while live delivery goes on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Event, Thread

import pytest

from pipeline.adapters.kafka import DeadLetterWriter, GroupReader, ensure_topics
from pipeline.adapters.kafka.client import client_config
from pipeline.codecs.avro import encode_transcript
from pipeline.config import DeliverySettings, ElasticsearchSettings, KafkaSettings, Topics
from pipeline.delivery import rebuild
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.index import IndexView
from pipeline.delivery.loop import DeliveryLoop
from pipeline.delivery.rebuild import rebuild_in_place, rebuild_index
from pipeline.delivery.view import Delivery, Refused
from pipeline.domain.types import Transcript
from pipeline.errors import ViewUnavailable
from pipeline.local.process import wait_until
from tests.delivery.conftest import Found
from tests.delivery.helpers import MemoryView, deliveries, final

pytestmark = pytest.mark.e2e


@pytest.fixture
def kafka(bootstrap_servers: str, index_settings: ElasticsearchSettings) -> KafkaSettings:
    """Topics of the test's own."""
    name = index_settings.prefix
    topics = Topics(*(f"{name}.{what}" for what in ("audio", "dlq", "partial", "final", "usage", "letters")))
    settings = KafkaSettings(bootstrap_servers, topics)
    ensure_topics(settings, partitions=3)
    return settings


@pytest.fixture
def live(kafka: KafkaSettings, index_settings: ElasticsearchSettings) -> Iterator[Event]:
    """Delivery to the index, as it always runs; the event ends it."""
    stop, settings = Event(), DeliverySettings(group=index_settings.prefix, batch_size=50)
    source = GroupReader(kafka, settings.group, [kafka.topics.finals])
    letters = DeadLetterWriter(kafka, kafka.topics.delivery_dead_letters)
    view, health = IndexView(index_settings), ViewHealth("elasticsearch")
    thread = Thread(target=DeliveryLoop(source, view, letters, settings, health, lambda: 0.5).run, args=(stop,))
    thread.start()
    yield stop
    stop.set()
    thread.join()


def publish(kafka: KafkaSettings, finals: Sequence[Transcript]) -> None:
    from confluent_kafka import Producer

    producer = Producer(client_config(kafka))
    for one in finals:
        producer.produce(kafka.topics.finals, encode_transcript(one), one.session_id.encode())
    producer.flush()


def many(first: int, count: int) -> list[Transcript]:
    """Finals of five sessions."""
    return [replace(final(number), session_id=f"s{number % 5}") for number in range(first, first + count)]


def texts(found: Found) -> set[str]:
    """Nothing while a search is refused: the shards of an index that was made just now are still starting."""
    try:
        return {text for number in range(5) for text in found.texts(f"s{number}")}
    except ViewUnavailable:
        return set()


def texts_of(finals: Sequence[Transcript]) -> set[str]:
    return {one.text for one in finals}


def nothing_shown(done: int, total: int) -> None:
    assert done <= total


def test_the_new_index_takes_the_place_of_the_old_one_with_all_the_topic_holds(
    kafka: KafkaSettings, index_settings: ElasticsearchSettings, found: Found
) -> None:
    publish(kafka, many(0, 700))
    first = rebuild_index(kafka, index_settings, None, nothing_shown)
    assert (first.read, first.carried, first.refused) == (700, 0, 0)
    second = rebuild_index(kafka, index_settings, None, nothing_shown)
    assert texts(found) == texts_of(many(0, 700))
    assert found.indices() == second.indices != first.indices


def test_what_kafka_no_longer_holds_is_taken_over_and_newer_texts_stay(
    kafka: KafkaSettings, index: IndexView, index_settings: ElasticsearchSettings, found: Found
) -> None:
    index.write(deliveries(final(0, text="old and only here"), final(1, text="older revision", revision=1)))
    publish(kafka, [final(1, text="newer revision", revision=2)])
    report = rebuild_index(kafka, index_settings, None, nothing_shown)
    assert found.texts() == ["old and only here", "newer revision"]
    assert report.carried == 2  # the fixture's first record is the other
    assert report.indices == found.indices()


def test_months_that_are_not_read_stay_as_they_are(
    kafka: KafkaSettings, index: IndexView, index_settings: ElasticsearchSettings, found: Found
) -> None:
    before = found.indices()
    publish(kafka, many(0, 10))
    report = rebuild_index(kafka, index_settings, since_ms=4_000_000_000_000, progress=nothing_shown)
    assert (report.read, report.indices, found.indices()) == (0, [], before)


def test_nothing_that_live_delivery_writes_meanwhile_is_missing(
    kafka: KafkaSettings, index_settings: ElasticsearchSettings, found: Found, live: Event
) -> None:
    publish(kafka, many(0, 2_000))
    assert wait_until(lambda: len(texts(found)) >= 200, 60)
    more = Thread(target=publish_slowly, args=(kafka, many(2_000, 3_000)))
    more.start()
    reports = [rebuild_index(kafka, index_settings, None, nothing_shown) for _ in range(3)]
    more.join()
    publish(kafka, [replace(final(9_999), session_id="s0")])
    expected = texts_of(many(0, 5_000)) | {"text 9999"}
    assert wait_until(lambda: texts(found) == expected, 60)
    assert found.indices() == reports[-1].indices


def publish_slowly(kafka: KafkaSettings, finals: Sequence[Transcript]) -> None:
    for first in range(0, len(finals), 25):
        publish(kafka, finals[first : first + 25])


def test_a_rebuild_that_fails_leaves_everything_as_it_was(
    kafka: KafkaSettings,
    index: IndexView,
    index_settings: ElasticsearchSettings,
    found: Found,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index.write(deliveries(final(0)))
    before = found.indices()
    publish(kafka, many(0, 10))

    def fails(*given: object) -> None:
        raise ViewUnavailable("the disk is full")

    monkeypatch.setattr(rebuild.IndexRebuild, "switch", fails)
    with pytest.raises(ViewUnavailable, match="disk"):
        rebuild_index(kafka, index_settings, None, nothing_shown)
    assert found.indices() == before
    assert found.texts() == ["text 0"]


def test_a_view_that_is_away_for_a_moment_delays_the_rebuild_and_no_more(kafka: KafkaSettings) -> None:
    publish(kafka, many(0, 600))
    view = MemoryView(unavailable=2)
    assert rebuild_in_place(kafka, view, None, nothing_shown).read == 600
    assert {text for number in range(5) for text in view.texts(f"s{number}")} == texts_of(many(0, 600))


def test_progress_ends_at_all_of_it(kafka: KafkaSettings) -> None:
    class Blind:
        def write(self, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
            return []

    publish(kafka, many(0, 1_100))
    shown: list[tuple[int, int]] = []
    rebuild_in_place(kafka, Blind(), None, lambda done, total: shown.append((done, total)))
    assert shown == sorted(shown)
    assert shown[-1] == (1_100, 1_100)
