"""Delivery between a real Kafka and a real Redis, with either side of it broken: nothing lost, nothing doubled."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from redis.client import PubSub

from pipeline.adapters.kafka import ensure_topics
from pipeline.adapters.redis import Client
from pipeline.codecs.avro import decode_dead_letter, encode_transcript
from pipeline.config import KafkaSettings
from pipeline.delivery.sessions import SessionReader
from pipeline.domain.types import DeadLetter, Transcript
from pipeline.local.process import wait_until
from tests.delivery.conftest import RedisServer
from tests.delivery.deliverers import Deliverer
from tests.delivery.helpers import AWKWARD_ID, final, session_end

pytestmark = pytest.mark.e2e

PATIENCE_S = 60.0
STUCK = Path(__file__).with_name("stuck_deliver.py")

NewDeliverer = Callable[[], Deliverer]


class Topic:
    """The finals topic, as the job writes it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        servers = {"bootstrap.servers": settings.bootstrap_servers}
        self._producer = Producer({**servers, "message.max.bytes": 4 * 1024 * 1024, "linger.ms": 1})

    def publish(self, *values: Transcript | bytes, key: str = "s") -> None:
        """Returns once all are stored."""
        for value in values:
            raw = value if isinstance(value, bytes) else encode_transcript(value)
            self._producer.produce(
                self.settings.topics.finals, raw, key if isinstance(value, bytes) else value.session_id
            )
        assert self._producer.flush(30) == 0

    def size(self) -> int:
        """How many records it holds."""
        consumer = Consumer({"bootstrap.servers": self.settings.bootstrap_servers, "group.id": str(uuid4())})
        name = self.settings.topics.finals
        partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
        bounds = [consumer.get_watermark_offsets(TopicPartition(name, one), timeout=10) for one in partitions]
        consumer.close()
        return sum(end - first for first, end in bounds)


@pytest.fixture(scope="module")
def topic(bootstrap_servers: str) -> Topic:
    settings = KafkaSettings(bootstrap_servers)
    ensure_topics(settings)
    return Topic(settings)


@pytest.fixture
def new_deliverer(
    topic: Topic, voxflow_environ: dict[str, str], redis: Client, tmp_path: Path
) -> Iterator[NewDeliverer]:
    """Makes copies of the delivery, members of one group of the test's own, over an empty Redis."""
    group = {
        "VOXFLOW_DELIVERY_GROUP": f"faults-{uuid4()}",
        "VOXFLOW_BOOTSTRAP_SERVERS": topic.settings.bootstrap_servers,
    }
    made: list[Deliverer] = []

    def make() -> Deliverer:
        made.append(Deliverer(voxflow_environ | group, tmp_path / f"deliver-{len(made)}.log"))
        return made[-1]

    yield make
    for one in made:
        one.kill()
        print(one.said() if one.log.exists() else "")


def new_id() -> str:
    return f"faults-{uuid4()}"


def finals(session_id: str, count: int, start: int = 0) -> list[Transcript]:
    return [final(number, session_id=session_id) for number in range(start, start + count)]


def holds(sessions: SessionReader, session_id: str, count: int) -> bool:
    """Whether the first ``count`` segments, and no others, can be read."""
    view = sessions.session(session_id)
    return view is not None and [one.segment for one in view.finals] == list(range(count))


def dead_letter(settings: KafkaSettings, raw: bytes) -> DeadLetter:
    """The delivery's dead letter of a record."""
    servers = {"bootstrap.servers": settings.bootstrap_servers, "group.id": str(uuid4())}
    consumer, found = Consumer(servers), list[DeadLetter]()
    consumer.assign([TopicPartition(settings.topics.delivery_dead_letters, 0, 0)])

    def look() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(decode_dead_letter(message.value() or b""))
        return any(one.raw == raw for one in found)

    assert wait_until(look, PATIENCE_S)
    consumer.close()
    return next(one for one in found if one.raw == raw)


def test_redis_stopped_in_mid_stream_and_started_again_empty_gets_everything(
    topic: Topic, new_deliverer: NewDeliverer, redis_server: RedisServer, sessions: SessionReader
) -> None:
    session_id, deliverer = new_id(), new_deliverer()
    deliverer.start()
    topic.publish(*finals(session_id, 50))
    assert wait_until(lambda: holds(sessions, session_id, 50), PATIENCE_S)
    assert wait_until(lambda: deliverer.health()[0] == 200, PATIENCE_S)
    redis_server.stop()
    try:
        topic.publish(*finals(session_id, 50, start=50))
        assert wait_until(lambda: deliverer.health()[0] == 503 and deliverer.health()[1]["lag"] >= 50, PATIENCE_S)
        report = deliverer.health()[1]
    finally:
        redis_server.start()
    assert wait_until(lambda: holds(sessions, session_id, 100), PATIENCE_S)
    assert wait_until(lambda: deliverer.health()[0] == 200, PATIENCE_S)
    assert report["state"] == "waiting"
    assert "Redis does not answer at redis://localhost:" in report["last_error"]
    assert deliverer.said().count("delivery to redis waits") == 1
    assert deliverer.said().count("delivery to redis goes on") == 1


def test_a_flushed_redis_is_written_again_though_nobody_speaks(
    topic: Topic, new_deliverer: NewDeliverer, redis: Client, sessions: SessionReader
) -> None:
    session_id, deliverer = new_id(), new_deliverer()
    deliverer.start()
    topic.publish(*finals(session_id, 20), session_end(session_id=session_id, at_ms=30_000, segments=20))
    assert wait_until(lambda: holds(sessions, session_id, 20), PATIENCE_S)
    redis.flushall()
    redis.script_flush()
    assert wait_until(lambda: holds(sessions, session_id, 20), PATIENCE_S)


def test_a_kill_between_write_and_commit_neither_loses_nor_doubles(
    topic: Topic, new_deliverer: NewDeliverer, redis: Client, sessions: SessionReader
) -> None:
    session_id, stuck, sound = new_id(), new_deliverer(), new_deliverer()
    topic.publish(*finals(session_id, 20))
    events = subscribed(redis, f"voxflow:events:{session_id}")
    stuck.run(str(STUCK))
    assert wait_until(lambda: "WRITTEN" in stuck.said(), PATIENCE_S)
    stuck.kill()
    topic.publish(*finals(session_id, 20, start=20))
    sound.start()
    assert wait_until(lambda: holds(sessions, session_id, 40), PATIENCE_S)
    assert sorted(one["segment"] for one in heard(events)) == list(range(40))


def test_copies_killed_at_any_moment_neither_lose_nor_double(
    topic: Topic, new_deliverer: NewDeliverer, redis: Client, sessions: SessionReader
) -> None:
    chance, ids = random.Random(7), [new_id() for _ in range(20)]
    copies = [new_deliverer(), new_deliverer()]
    events = subscribed(redis, "voxflow:events:faults-*")
    for copy in copies:
        copy.start()
    for round_number in range(3):
        for session_id in ids:
            topic.publish(*finals(session_id, 50, start=50 * round_number))
        reached = 50 * round_number + chance.randrange(50)
        assert wait_until(lambda reached=reached: is_past(sessions, ids[0], reached), PATIENCE_S)
        victim = chance.choice(copies)
        victim.kill()
        victim.start()
    assert wait_until(lambda: all(holds(sessions, one, 150) for one in ids), PATIENCE_S)
    told = Counter((one["session_id"], one["segment"]) for one in heard(events))
    assert {told[session_id, number] for session_id in ids for number in range(150)} == {1}


def test_awkward_ids_and_large_texts_arrive_and_broken_records_become_dead_letters(
    topic: Topic, new_deliverer: NewDeliverer, sessions: SessionReader
) -> None:
    session_id, deliverer = f"{AWKWARD_ID}{uuid4()}", new_deliverer()
    broken, large = f"no transcript {uuid4()}".encode(), "word " * 200_000
    deliverer.start()
    topic.publish(broken, key=session_id)
    topic.publish(final(0, session_id=session_id, text=large))
    assert wait_until(lambda: holds(sessions, session_id, 1), PATIENCE_S)
    view, letter = sessions.session(session_id), dead_letter(topic.settings, broken)
    assert view is not None
    assert [one.text for one in view.finals] == [large]
    assert letter.error == "UndecodableRecord"
    assert letter.source.topic == topic.settings.topics.finals
    assert letter.message.startswith("not delivered to redis: ")


def test_a_stop_commits_so_that_the_next_start_has_nothing_to_do_again(
    topic: Topic, new_deliverer: NewDeliverer, redis: Client, sessions: SessionReader
) -> None:
    session_id, first, second = new_id(), new_deliverer(), new_deliverer()
    first.start()
    topic.publish(*finals(session_id, 10))
    assert wait_until(lambda: holds(sessions, session_id, 10) and done(first) >= topic.size(), PATIENCE_S)
    assert first.stop() == 0
    second.start()
    topic.publish(*finals(session_id, 1, start=10))
    assert wait_until(lambda: holds(sessions, session_id, 11), PATIENCE_S)
    assert wait_until(lambda: done(second) > 0, PATIENCE_S)
    assert done(second) == 1
    assert "Traceback" not in first.said() + second.said()


def done(deliverer: Deliverer) -> int:
    """How many records it has seen through since its start; one that was written again counts again."""
    report = deliverer.health()[1]
    return report.get("written", 0) + report.get("dead_letters", 0)


def is_past(sessions: SessionReader, session_id: str, segment: int) -> bool:
    view = sessions.session(session_id)
    return view is not None and bool(view.finals) and view.finals[-1].segment >= segment


def subscribed(redis: Client, pattern: str) -> PubSub:
    """A subscription that is confirmed."""
    events = redis.pubsub(ignore_subscribe_messages=True)
    events.psubscribe(pattern)
    events.get_message(timeout=5)
    return events


def heard(events: PubSub) -> list[dict[str, Any]]:
    """What was published up to now."""
    found = []
    while (message := events.get_message(timeout=0.5)) is not None:
        found.append(json.loads(message["data"]))
    return found
