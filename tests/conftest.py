"""One real local stack, shared by all tests that need servers: free ports, a temporary home, the project's own jars."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.config import StackSettings
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
    kafka, controller, rest, rpc = free_ports(4)
    return StackSettings(
        home=home,
        java=JAVA,
        kafka_port=kafka,
        kafka_controller_port=controller,
        flink_rest_port=rest,
        flink_rpc_port=rpc,
        slots_per_task_manager=4,
        checkpoint_interval_ms=500,
    )


def processes_of(home: Path) -> list[str]:
    """Command lines of the living processes that were told about ``home``, in an argument or a variable."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
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


@pytest.fixture(scope="session")
def bootstrap_servers(stack: Stack) -> str:
    """The address of the shared stack's broker."""
    return f"localhost:{stack.settings.kafka_port}"
