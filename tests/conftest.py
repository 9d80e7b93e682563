"""One real local stack, shared by all tests that need servers: free ports, a temporary home, the project's own jars."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.config import StackSettings
from pipeline.local import elasticsearch
from pipeline.local.java import ensure_jars
from pipeline.local.process import wait_until
from pipeline.local.stack import Stack

JAVA = Path(__file__).parents[1] / ".voxflow" / "java"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened on a moment ago, all different."""
    with ExitStack() as sockets:
        probes = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def stack_settings(home: Path) -> StackSettings:
    """A stack of its own, beside any other on this machine."""
    kafka, controller, rest, rpc, elections, search, cache = free_ports(7)
    return StackSettings(
        home=home,
        java=JAVA,
        kafka_port=kafka,
        kafka_controller_port=controller,
        flink_rest_port=rest,
        flink_rpc_port=rpc,
        zookeeper_port=elections,
        elasticsearch_port=search,
        redis_port=cache,
        without=frozenset({elasticsearch.NAME}),
        slots_per_task_manager=4,
        checkpoint_interval_ms=500,
    )


def processes_of(home: Path) -> list[str]:
    """Command lines of the living processes that run in ``home``, or know it by an argument or a variable."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            told += bytes((process / "cwd").readlink())  # Redis writes over both of the others
        except OSError:
            continue
        if str(home).encode() in told:
            found.append((process / "cmdline").read_text())
    return found


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and Flink, up; ``stack.settings`` has their ports. Taking it down must leave no process behind."""
    running = Stack(stack_settings(tmp_path_factory.mktemp("stack")))
    try:
        running.up(print)
        yield running
    finally:
        running.down(print)
    assert processes_of(running.settings.home) == []


@dataclass(frozen=True)
class SearchNode:
    """An Elasticsearch node of this machine that tests may stop and start."""

    stack: StackSettings

    @property
    def url(self) -> str:
        return f"http://localhost:{self.stack.elasticsearch_port}"

    def start(self) -> None:
        elasticsearch.start(self.stack)
        assert wait_until(lambda: elasticsearch.ready(self.stack), 60), elasticsearch.process(self.stack).last_lines()

    def ensure_started(self) -> None:
        if elasticsearch.process(self.stack).pid() is None:
            self.start()

    def stop(self) -> None:
        elasticsearch.process(self.stack).stop()


@pytest.fixture(scope="session")
def search_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchNode]:
    """A real node, up in about five seconds; only tests that ask for it pay for it."""
    (port,) = free_ports(1)
    running = SearchNode(StackSettings(home=tmp_path_factory.mktemp("search"), java=JAVA, elasticsearch_port=port))
    ensure_jars(JAVA, print)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def bootstrap_servers(stack: Stack) -> str:
    """The address of the shared stack's broker."""
    return f"localhost:{stack.settings.kafka_port}"
