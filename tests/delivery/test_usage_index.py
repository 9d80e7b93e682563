"""Usage on a real node: of each minute the newest revision, once, whatever happens to the index."""

import uuid
from collections.abc import Iterator
from itertools import permutations
from threading import Event
from typing import Any

import pytest

from pipeline.adapters.elasticsearch import Client, connect
from pipeline.config import DeliverySettings, ElasticsearchSettings
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.loop import DeliveryLoop
from pipeline.delivery.usage_index import UsageView, write_alias
from pipeline.errors import SetupError, ViewEmptied, ViewUnavailable
from tests.conftest import SearchNode
from tests.delivery.helpers import (
    AWKWARD_ID,
    USAGE,
    USED_FROM_MS,
    MemoryGroup,
    MemoryLetters,
    usage_deliveries,
    usage_records,
    used,
)

pytestmark = pytest.mark.e2e

IMMENSE = "y" * 40_000
"""Longer than a term of Lucene may be (32,766 bytes)."""

Minutes = list[tuple[str, int, int]]


class Stored:
    """What the index holds, also what was written in the last second."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self.name = settings.usage_index
        self.alias = write_alias(settings)
        self.client: Client = connect(settings)

    def documents(self) -> dict[str, dict[str, Any]]:
        self.client.indices.refresh(index=self.name)
        hits = self.client.search(index=self.name, size=1000)["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}

    def minutes(self) -> Minutes:
        """Tenant, minute and revision of each document."""
        found = self.documents().values()
        return sorted((one["tenant"], (one["window_start"] - USED_FROM_MS) // 60_000, one["revision"]) for one in found)

    def delete(self) -> None:
        self.client.indices.delete(index=self.name)

    def mapping(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.client.indices.get_mapping(index=self.name).body[self.name]["mappings"]
        return {name: one["type"] for name, one in properties["properties"].items()}


@pytest.fixture
def usage_settings(search_node: SearchNode) -> Iterator[ElasticsearchSettings]:
    """An index of the test's own."""
    settings = ElasticsearchSettings((search_node.url,), usage_index=f"usage-{uuid.uuid4().hex[:12]}")
    yield settings
    with connect(settings) as client:
        client.indices.delete(index=settings.usage_index, ignore_unavailable=True)


@pytest.fixture
def view(usage_settings: ElasticsearchSettings) -> Iterator[UsageView]:
    made = UsageView(usage_settings)
    yield made
    made.close()


@pytest.fixture
def stored(usage_settings: ElasticsearchSettings) -> Iterator[Stored]:
    reading = Stored(usage_settings)
    yield reading
    reading.client.close()


def test_a_minute_is_kept_with_its_counts_and_waits(view: UsageView, stored: Stored) -> None:
    assert view.write(usage_deliveries(used(0, 3, "acme", audio_ms=2_500))) == []
    assert stored.documents() == {
        f"acme:{USED_FROM_MS}": {
            "tenant": "acme",
            "window_start": USED_FROM_MS,
            "window_end": USED_FROM_MS + 60_000,
            "revision": 3,
            "sessions": 1,
            "audio_ms": 2_500,
            **dict.fromkeys(("speech_ms", "gap_ms", "finals", "dead_letters", "waits"), 0),
            "wait_p50_ms": None,
            "wait_p95_ms": None,
            "emitted_at": 1_700_000_000_000,
            "record": {"topic": USAGE, "partition": 0, "offset": 0},
        }
    }


def test_the_newest_revision_of_a_minute_wins_in_any_order(view: UsageView, stored: Stored) -> None:
    for minute, order in enumerate(permutations((1, 2, 7))):
        view.write(usage_deliveries(*(used(minute, revision) for revision in order)))
    assert stored.minutes() == [("t", minute, 7) for minute in range(6)]


def test_writing_a_batch_again_changes_nothing(view: UsageView, stored: Stored) -> None:
    batch = usage_deliveries(used(0), used(1, 2), used(0, tenant="other"))
    view.write(batch)
    before = stored.documents()
    assert view.write(batch) == []
    assert stored.documents() == before


def test_any_tenant_is_just_a_tenant(view: UsageView, stored: Stored) -> None:
    tenants = sorted([AWKWARD_ID, "", "a:1", "ü" * 512, "plain"])
    view.write(usage_deliveries(*(used(tenant=tenant) for tenant in tenants)))
    assert [tenant for tenant, _, _ in stored.minutes()] == tenants


def test_a_minute_that_cannot_be_stored_is_refused_with_the_reason_and_the_others_are_kept(
    view: UsageView, stored: Stored
) -> None:
    bad, good = usage_deliveries(used(0, tenant=IMMENSE), used(1))
    (refused,) = view.write([bad, good])
    assert refused.delivery is bad
    assert "immense term" in refused.reason
    assert stored.minutes() == [("t", 1, 1)]


def test_dates_tenants_and_numbers_can_be_asked_for_as_such(view: UsageView, stored: Stored) -> None:
    view.write(usage_deliveries(used()))
    mapping = stored.mapping()
    assert mapping["tenant"] == "keyword"
    assert {mapping[name] for name in ("window_start", "window_end", "emitted_at")} == {"date"}
    assert {mapping[name] for name in ("sessions", "audio_ms", "revision", "wait_p95_ms")} == {"long"}


def test_nothing_is_made_before_there_is_usage(view: UsageView, stored: Stored) -> None:
    assert view.write([]) == []
    assert not stored.client.indices.exists(index=stored.name)


def test_an_index_that_is_deleted_is_noticed_also_while_nothing_is_used_and_made_again_as_it_should_be(
    view: UsageView, stored: Stored
) -> None:
    batch = usage_deliveries(used(0), used(1))
    for following in ([], batch[1:]):
        view.write(batch)
        stored.delete()
        with pytest.raises(ViewEmptied) as emptied:
            view.write(following)
        assert emptied.value.partitions == {(USAGE, 0)}
    assert view.write(batch) == []
    assert stored.minutes() == [("t", 0, 1), ("t", 1, 1)]
    assert stored.mapping()["window_start"] == "date"


def test_an_index_that_was_never_there_asks_for_the_whole_topic_once(view: UsageView, stored: Stored) -> None:
    later = usage_deliveries(used(0), used(1))[1:]
    with pytest.raises(ViewEmptied):
        view.write(later)
    assert view.write(later) == []
    assert stored.minutes() == [("t", 1, 1)]


def test_a_second_copy_goes_on_where_the_first_one_was(
    view: UsageView, stored: Stored, usage_settings: ElasticsearchSettings
) -> None:
    first, later = usage_deliveries(used(0), used(1))
    view.write([first])
    second = UsageView(usage_settings)
    assert second.write([later]) == []
    assert stored.minutes() == [("t", 0, 1), ("t", 1, 1)]
    second.close()


def test_an_index_without_its_alias_gets_it_back(view: UsageView, stored: Stored) -> None:
    batch = usage_deliveries(used(0))
    view.write(batch)
    stored.client.indices.delete_alias(index=stored.name, name=stored.alias)
    with pytest.raises(ViewEmptied):
        view.write([])
    assert view.write([*batch, *usage_deliveries(used(1))]) == []
    assert stored.minutes() == [("t", 0, 1), ("t", 1, 1)]


def test_an_index_deleted_in_mid_stream_is_whole_again_at_the_end(view: UsageView, stored: Stored) -> None:
    group = MemoryGroup.of(usage_records(*(used(minute) for minute in range(50))))
    settings = DeliverySettings(batch_size=10)
    loop = DeliveryLoop(group, view, MemoryLetters(), settings, ViewHealth("usage"), lambda: 0.0)
    for number in range(10):
        if number == 3:
            stored.delete()
        loop.step(Event())
    assert group.lag() == 0
    assert stored.minutes() == [("t", minute, 1) for minute in range(50)]


def test_a_closed_index_is_waited_for(view: UsageView, stored: Stored) -> None:
    batch = usage_deliveries(used(0))
    view.write(batch)
    stored.client.indices.close(index=stored.name)
    with pytest.raises(ViewUnavailable, match="closed"):
        view.write(batch)
    stored.client.indices.open(index=stored.name, wait_for_active_shards=1)
    assert view.write(batch) == []


def test_a_server_of_another_kind_is_a_matter_for_a_person(bootstrap_http: str) -> None:
    view = UsageView(ElasticsearchSettings((bootstrap_http,)))
    with pytest.raises(SetupError, match="not Elasticsearch"):
        view.write([])
    view.close()


def test_a_node_that_is_away_is_unavailable() -> None:
    view = UsageView(ElasticsearchSettings(("http://localhost:9",)))
    with pytest.raises(ViewUnavailable, match="voxflow up"):
        view.write(usage_deliveries(used()))
    view.close()
