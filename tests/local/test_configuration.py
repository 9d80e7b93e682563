"""What the servers are told, and what must stay true of it."""

from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.config import StackSettings
from pipeline.local import flink, flink_options, kafka, zookeeper


def settings(folder: Path) -> StackSettings:
    connector = folder / "java" / "flink" / "connector.jar"
    connector.parent.mkdir(parents=True)
    connector.write_bytes(b"")
    return StackSettings(home=folder, java=folder / "java")


def test_flink_keeps_the_options_that_java_17_needs(tmp_path: Path) -> None:
    flink.prepare(settings(tmp_path))
    written = YAML(typ="safe").load(tmp_path / "flink" / "conf" / "config.yaml")
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in written["env.java.opts.all"]


def test_the_cluster_has_the_connector_and_the_python_jar_in_its_library_folder(tmp_path: Path) -> None:
    flink.prepare(settings(tmp_path))
    jars = {jar.name for jar in (tmp_path / "flink" / "lib").iterdir()}
    assert {"connector.jar", "flink-python-2.2.1.jar", "flink-dist-2.2.1.jar"} <= jars


def test_preparing_again_after_an_upgrade_removes_jars_that_are_no_longer_wanted(tmp_path: Path) -> None:
    flink.prepare(settings(tmp_path))
    (tmp_path / "java" / "flink" / "connector.jar").rename(tmp_path / "java" / "flink" / "newer.jar")
    flink.prepare(StackSettings(home=tmp_path, java=tmp_path / "java"))
    jars = {jar.name for jar in (tmp_path / "flink" / "lib").iterdir()}
    assert "newer.jar" in jars
    assert "connector.jar" not in jars


def differing(one: Mapping[str, object], two: Mapping[str, object]) -> set[str]:
    return {key for key, value in one.items() if value != two[key]}


def test_two_stacks_share_no_file_and_no_port(tmp_path: Path) -> None:
    one = StackSettings(tmp_path / "one", tmp_path, 1, 2, 3, 4, 5)
    two = StackSettings(tmp_path / "two", tmp_path, 6, 7, 8, 9, 10)
    assert differing(kafka.properties(one), kafka.properties(two)) == {
        "controller.quorum.voters",
        "listeners",
        "advertised.listeners",
        "log.dirs",
    }
    assert differing(zookeeper.properties(one), zookeeper.properties(two)) == {"dataDir", "clientPort"}
    assert differing(flink_options.configuration(one), flink_options.configuration(two)) == {
        "rest.port",
        "rest.bind-port",
        "io.tmp.dirs",
        "high-availability.jobmanager.port",
        "high-availability.storageDir",
        "high-availability.zookeeper.quorum",
        "execution.checkpointing.dir",
        "execution.checkpointing.savepoint-dir",
    }


def test_a_session_with_zookeeper_is_no_shorter_than_it_grants() -> None:
    """Two ticks; it would prolong a shorter one without a word, and with it the time without a JobManager."""
    assert 2 * zookeeper.TICK_MS <= flink_options.SESSION_TIMEOUT_MS <= 20 * zookeeper.TICK_MS
