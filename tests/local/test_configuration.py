"""What the servers are told, and what must stay true of it."""

from pathlib import Path

from ruamel.yaml import YAML

from pipeline.config import StackSettings
from pipeline.local import flink, kafka


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


def test_two_stacks_share_no_file_and_no_port(tmp_path: Path) -> None:
    one = StackSettings(home=tmp_path / "one", kafka_port=1, kafka_controller_port=2)
    two = StackSettings(home=tmp_path / "two", kafka_port=3, kafka_controller_port=4)
    differing = {key for key, value in kafka.properties(one).items() if value != kafka.properties(two)[key]}
    assert differing == {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
