"""The local node: where it keeps its files, what it is made of, and that it can be left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import ElasticsearchSettings, StackSettings
from pipeline.errors import SetupError
from pipeline.local import elasticsearch
from pipeline.local.stack import Stack
from tests.conftest import SearchNode


def names(settings: StackSettings) -> set[str]:
    return {service.process.name for service in Stack(settings).services()}


def test_servers_that_are_not_needed_can_be_left_out(tmp_path: Path) -> None:
    everything = StackSettings(home=tmp_path, java=tmp_path)
    assert names(everything) - names(replace(everything, without=frozenset({"elasticsearch"}))) == {"elasticsearch"}
    from_environ = StackSettings.from_environ({"VOXFLOW_WITHOUT": "redis,elasticsearch"})
    assert names(everything) - names(from_environ) == {"redis", "elasticsearch"}


def test_two_servers_in_the_folder_are_named_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / "elasticsearch"
    folder.mkdir()
    for version in ("8.19.8", "8.19.9"):
        (folder / f"elasticsearch-{version}.jar").touch()
    with pytest.raises(SetupError, match="2 Elasticsearch servers.*make setup"):
        elasticsearch.server_version(tmp_path)


def test_passwords_and_keys_are_never_shown() -> None:
    settings = ElasticsearchSettings.from_environ(
        {"VOXFLOW_ELASTICSEARCH_URL": "https://user:secret@search:9243/es", "VOXFLOW_ELASTICSEARCH_API_KEY": "hidden"}
    )
    assert settings.address == "https://search:9243/es"
    assert not {"secret", "hidden"} & set(repr(settings).replace("'", " ").split())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VOXFLOW_ELASTICSEARCH_URL", "ftp://user:secret@search"),
        ("VOXFLOW_ELASTICSEARCH_URL", "http://user:secret@search:port"),
        ("VOXFLOW_ELASTICSEARCH_URL", ""),
        ("VOXFLOW_ELASTICSEARCH_PREFIX", "Has Capitals"),
        ("VOXFLOW_ELASTICSEARCH_USAGE_INDEX", "Has Capitals"),
        ("VOXFLOW_ELASTICSEARCH_USAGE_INDEX", "voxflow-transcripts"),
        ("VOXFLOW_RETENTION_DAYS", "-1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_no_secret_with_it(variable: str, value: str) -> None:
    with pytest.raises(SetupError, match=variable) as error:
        ElasticsearchSettings.from_environ({variable: value})
    assert "secret" not in str(error.value)


@pytest.mark.e2e
def test_the_node_serves_english_analysis_and_nobody_but_this_machine(search_node: SearchNode) -> None:
    from pipeline.adapters.elasticsearch import connect

    with connect(ElasticsearchSettings((search_node.url,))) as client:
        tokens = client.indices.analyze(analyzer="english", text="The seasons of Light")["tokens"]
        assert [one["token"] for one in tokens] == ["season", "light"]
        (node,) = client.nodes.info(metric="http")["nodes"].values()
        assert all(address.startswith(("127.0.0.1:", "[::1]:")) for address in node["http"]["bound_address"])
