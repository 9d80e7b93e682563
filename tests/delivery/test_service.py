"""Which view reads what."""

import pytest

from pipeline.config import KafkaSettings
from pipeline.delivery.service import VIEWS, make_view, topics_of


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_made_by_its_name_before_its_server_is_there(name: str) -> None:
    view = make_view(
        name, {"VOXFLOW_REDIS_URL": "redis://localhost:9", "VOXFLOW_ELASTICSEARCH_URL": "http://localhost:9"}
    )
    assert view.name == name
    view.close()


def test_each_view_reads_the_topics_it_shows() -> None:
    assert {view: topics_of(view, KafkaSettings()) for view in VIEWS} == {
        "redis": ("speech.final.v1", "speech.partial.v1"),
        "elasticsearch": ("speech.final.v1",),
        "usage": ("speech.usage.v1",),
    }
