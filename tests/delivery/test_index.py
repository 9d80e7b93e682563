"""The search index on a real node: what is written once stays once, and what goes wrong is told apart."""

from threading import Event

import pytest

from pipeline.config import DeliverySettings, ElasticsearchSettings
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.index import IndexView
from pipeline.delivery.indices import Indices
from pipeline.delivery.loop import DeliveryLoop
from pipeline.domain.types import StageTimes, Transcript
from pipeline.errors import SetupError, ViewEmptied, ViewUnavailable
from tests.conftest import SearchNode
from tests.delivery.conftest import Found
from tests.delivery.helpers import (
    FINALS,
    NOW_MS,
    MemoryGroup,
    MemoryLetters,
    deliveries,
    delivery,
    final,
    partial,
    records,
    session_end,
)

pytestmark = pytest.mark.e2e

DAY_MS = 86_400_000
IMMENSE = "y" * 40_000
"""Longer than a term of Lucene may be (32,766 bytes)."""


def spoken_at(at_ms: int) -> StageTimes:
    return StageTimes(captured_at_ms=at_ms, received_at_ms=at_ms, emitted_at_ms=at_ms)


def test_only_finals_are_kept(index: IndexView, found: Found) -> None:
    assert index.write(deliveries(partial(0), final(0), session_end())) == []
    assert found.texts() == ["text 0"]


def test_a_record_written_again_months_later_is_still_one_document(index: IndexView, found: Found) -> None:
    index.write(deliveries(final(0)))
    index.write(deliveries(final(1, times=spoken_at(NOW_MS + 62 * DAY_MS))))
    index.write(deliveries(final(0)))
    assert found.texts() == ["text 0", "text 1"]
    assert [name[-12:] for name in found.indices()] == ["2023.11-live", "2024.01-live"]


def test_a_document_that_cannot_be_stored_is_refused_with_the_reason_and_the_others_are_kept(
    index: IndexView, found: Found
) -> None:
    bad, good = deliveries(final(0, tenant=IMMENSE), final(1))
    (refused,) = index.write([bad, good])
    assert refused.delivery is bad
    assert "tenant" in refused.reason
    assert "immense term" in refused.reason
    assert "\n" not in refused.reason
    assert found.texts() == ["text 1"]


def test_a_mapping_that_contradicts_the_records_refuses_them(
    index_settings: ElasticsearchSettings, found: Found
) -> None:
    name = f"{index_settings.prefix}-2023.11"
    foreign = {"properties": {"session_id": {"type": "date"}}}
    found.client.indices.create(index=f"{name}-mine", mappings=foreign, aliases={name: {}, index_settings.prefix: {}})
    view = IndexView(index_settings)
    (refused,) = view.write([delivery(final(0), offset=0)])
    assert "session_id" in refused.reason
    view.close()


def test_a_closed_index_is_waited_for(index: IndexView, found: Found) -> None:
    (name,) = found.indices()
    found.client.indices.close(index=name)
    with pytest.raises(ViewUnavailable, match="closed"):
        index.write(deliveries(final(0)))
    found.client.indices.open(index=name, wait_for_active_shards=1)
    assert index.write(deliveries(final(0))) == []


def test_an_index_that_may_only_be_read_is_waited_for(index: IndexView, found: Found) -> None:
    found.client.indices.put_settings(index=found.indices()[0], settings={"index.blocks.write": True})
    with pytest.raises(ViewUnavailable, match="blocked"):
        index.write(deliveries(final(0)))
    found.client.indices.put_settings(index=found.indices()[0], settings={"index.blocks.write": None})
    assert index.write(deliveries(final(0))) == []


def test_an_index_that_is_deleted_is_made_again_as_it_should_be(index: IndexView, found: Found) -> None:
    index.write(deliveries(final(0)))
    (name,) = found.indices()
    found.client.indices.delete(index=name)
    with pytest.raises(ViewEmptied) as emptied:
        index.write(deliveries(final(1)))
    assert emptied.value.partitions == {(FINALS, 0)}
    assert index.write(deliveries(final(0), final(1))) == []
    assert found.texts() == ["text 0", "text 1"]
    assert found.client.indices.get_mapping(index=name).body[name]["mappings"]["properties"]["text"]["fields"]


def test_a_loss_is_noticed_while_nothing_is_written(index: IndexView, found: Found) -> None:
    index.write(deliveries(final(0)))
    found.client.indices.delete(index=found.indices()[0])
    with pytest.raises(ViewEmptied):
        index.write([])
    assert index.write([]) == []


def test_an_index_that_was_never_there_asks_for_the_whole_topic_once(index_settings: ElasticsearchSettings) -> None:
    view = IndexView(index_settings)
    with pytest.raises(ViewEmptied):
        view.write([delivery(final(5), offset=5)])
    assert view.write([delivery(final(5), offset=5)]) == []
    view.close()


def test_a_node_that_is_away_is_unavailable_and_takes_the_same_batch_when_it_is_back(
    index: IndexView, found: Found, search_node: SearchNode
) -> None:
    batch = deliveries(final(0), final(1))
    index.write(batch[:1])
    search_node.stop()
    try:
        for attempt in (batch, []):
            with pytest.raises(ViewUnavailable, match="voxflow up"):
                index.write(attempt)
    finally:
        search_node.start()
    assert index.write(batch) == []
    assert found.texts() == ["text 0", "text 1"]


def a_loop(index: IndexView, count: int) -> tuple[DeliveryLoop[Transcript], MemoryGroup]:
    """Delivery of that many finals, ten at a time."""
    group = MemoryGroup.of(records(*(final(number) for number in range(count))))
    health, settings = ViewHealth("elasticsearch"), DeliverySettings(batch_size=10)
    return DeliveryLoop(group, index, MemoryLetters(), settings, health, lambda: 0.0), group


def test_a_node_that_stops_in_mid_stream_is_waited_for(index: IndexView, found: Found, search_node: SearchNode) -> None:
    loop, group = a_loop(index, 100)
    steps(loop, 3)
    search_node.stop()
    group.on_idle = search_node.ensure_started
    steps(loop, 7)
    assert group.lag() == 0
    assert found.texts() == [f"text {number}" for number in range(100)]


def test_an_index_deleted_in_mid_stream_is_whole_again_at_the_end(index: IndexView, found: Found) -> None:
    loop, group = a_loop(index, 100)
    steps(loop, 5)
    found.client.indices.delete(index=found.indices()[0])
    steps(loop, 15)
    assert group.lag() == 0
    assert found.texts() == [f"text {number}" for number in range(100)]


def steps(loop: DeliveryLoop[Transcript], count: int) -> None:
    for _ in range(count):
        loop.step(Event())


def test_texts_of_a_megabyte_do_not_become_one_immense_request(index: IndexView, found: Found) -> None:
    batch = deliveries(*(final(number, text=f"{number} " + "word " * 200_000) for number in range(20)))
    assert index.write(batch) == []
    assert [len(one) for one in found.texts()] == [len(one.record.text) for one in batch]


def test_what_is_older_than_it_is_kept_is_deleted(search_node: SearchNode, found: Found, index: IndexView) -> None:
    settings = ElasticsearchSettings((search_node.url,), prefix=found.prefix, retention_days=90)
    clock = [NOW_MS / 1000 + 80 * 86_400]
    view = IndexView(settings, lambda: clock[0])
    view.write(deliveries(final(0, times=spoken_at(NOW_MS + 80 * DAY_MS))))
    assert [name[-12:] for name in found.indices()] == ["2023.11-live", "2024.02-live"]
    clock[0] += 60 * 86_400
    view.write([])
    assert [name[-12:] for name in found.indices()] == ["2024.02-live"]
    assert view.write([]) == []
    view.close()


def test_what_operators_say_of_the_indices_holds(index_settings: ElasticsearchSettings, found: Found) -> None:
    custom = {"settings": {"index.number_of_shards": 3}}
    found.client.cluster.put_component_template(name=f"{index_settings.prefix}@custom", template=custom)
    Indices(found.client, index_settings).create_live("2023.11")
    (body,) = found.client.indices.get_settings(index=found.indices()[0]).body.values()
    assert body["settings"]["index"]["number_of_shards"] == "3"


def test_a_server_of_another_kind_is_a_matter_for_a_person(bootstrap_http: str) -> None:
    view = IndexView(ElasticsearchSettings((bootstrap_http,)))
    with pytest.raises(SetupError, match="not Elasticsearch"):
        view.write([])
    view.close()
