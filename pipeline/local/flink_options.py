"""Flink's configuration on this machine; every name is Flink's.

Sizes of memory are given part by part and not as a whole: Flink's scripts would split a whole in a JVM of its own, two
seconds at each start, and the servers here are started without them.
"""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from pipeline.config import StackSettings, default_execution_mode
from pipeline.errors import SetupError

ZOOKEEPER_HOST: Final = "127.0.0.1"
"""Not localhost, which is two addresses: clients try them in any order."""

SESSION_TIMEOUT_MS: Final = 5_000
JOB_MANAGER_HEAP_MB: Final = 384
METASPACE_MB: Final = 256
OVERHEAD_MB: Final = 192
FRAMEWORK_HEAP_MB: Final = 128
TASK_HEAP_MB: Final = 640
FRAMEWORK_OFF_HEAP_MB: Final = 128
NETWORK_MB: Final = 115
TASK_MANAGER_HEAP_MB: Final = FRAMEWORK_HEAP_MB + TASK_HEAP_MB
TASK_MANAGER_DIRECT_MB: Final = FRAMEWORK_OFF_HEAP_MB + NETWORK_MB

Options = Mapping[str, str | int | bool]


def configuration(settings: StackSettings) -> Options:
    """All of it, for both servers and for the client."""
    return {
        **addresses(settings),
        **memory(settings),
        **availability(settings),
        **patience(),
        **state(settings),
        **python(),
        "env.java.opts.all": java_options(),
        "io.tmp.dirs": str(folder(settings, "tmp")),
        "execution.buffer-timeout.interval": "5 ms",
        "classloader.parent-first-patterns.additional": "pemja.",
        "classloader.check-leaked-classloader": False,
    }


def addresses(settings: StackSettings) -> Options:
    """All on this machine. With an elected JobManager, its port has a name of its own."""
    return {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.bind-host": "localhost",
        "high-availability.jobmanager.port": str(settings.flink_rpc_port),
        "taskmanager.host": "localhost",
        "taskmanager.bind-host": "localhost",
        "rest.address": "localhost",
        "rest.bind-address": "localhost",
        "rest.port": settings.flink_rest_port,
        "rest.bind-port": str(settings.flink_rest_port),
    }


def memory(settings: StackSettings) -> Options:
    """Managed memory is what Python takes in process mode."""
    return {
        "jobmanager.memory.heap.size": f"{JOB_MANAGER_HEAP_MB}m",
        "jobmanager.memory.jvm-metaspace.size": f"{METASPACE_MB}m",
        "taskmanager.cpu.cores": settings.slots_per_task_manager,
        "taskmanager.numberOfTaskSlots": settings.slots_per_task_manager,
        "taskmanager.memory.framework.heap.size": f"{FRAMEWORK_HEAP_MB}m",
        "taskmanager.memory.task.heap.size": f"{TASK_HEAP_MB}m",
        "taskmanager.memory.framework.off-heap.size": f"{FRAMEWORK_OFF_HEAP_MB}m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.network.min": f"{NETWORK_MB}m",
        "taskmanager.memory.network.max": f"{NETWORK_MB}m",
        "taskmanager.memory.managed.size": "128m",
        "taskmanager.memory.jvm-metaspace.size": f"{METASPACE_MB}m",
        "taskmanager.memory.jvm-overhead.min": f"{OVERHEAD_MB}m",
        "taskmanager.memory.jvm-overhead.max": f"{OVERHEAD_MB}m",
        "taskmanager.load-balance.mode": "SLOTS",
    }


def availability(settings: StackSettings) -> Options:
    """A JobManager that starts finds the jobs of the one before it, and their checkpoints.

    ZooKeeper gives up on one that was killed when its session is over, and only then may the next one lead. 5 s are
    about as long as that one needs to start, and longer than a server at work is silent. A broken connection that is
    mended within a session is no reason to restart jobs, so that ZooKeeper may be killed as well. Six attempts, with
    pauses that double from 500 ms, are half a minute: without ZooKeeper for longer, Flink's servers end.
    """
    return {
        "high-availability.type": "zookeeper",
        "high-availability.cluster-id": "/voxflow",
        "high-availability.storageDir": folder(settings, "ha").as_uri(),
        "high-availability.zookeeper.quorum": f"{ZOOKEEPER_HOST}:{settings.zookeeper_port}",
        "zookeeper.sasl.disable": True,
        "high-availability.zookeeper.client.session-timeout": f"{SESSION_TIMEOUT_MS} ms",
        "high-availability.zookeeper.client.connection-timeout": f"{SESSION_TIMEOUT_MS} ms",
        "high-availability.zookeeper.client.retry-wait": "500 ms",
        "high-availability.zookeeper.client.max-retry-attempts": "6",
        "high-availability.zookeeper.client.tolerate-suspended-connections": True,
    }


def patience() -> Options:
    """How soon a dead server is noticed, and how a job waits for the next one.

    By itself Flink waits for missing slots only for its first five minutes; afterwards it fails a job at once, again
    and again with growing pauses, while the TaskManager that it needs is starting. Its clock takes 248 days at most.
    """
    return {
        "cluster.registration.error-delay": "250 ms",
        "heartbeat.interval": "1 s",
        "heartbeat.timeout": "6 s",
        "resourcemanager.standalone.start-up-time": "200 d",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "500 ms",
        "restart-strategy.exponential-delay.max-backoff": "5 s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
    }


def state(settings: StackSettings) -> Options:
    """A checkpoint that fails harms nobody: the job goes on, and the next one may succeed. A full disk, say, must not
    restart the job, which would then have to start from an old checkpoint, without an end. So any number may fail.
    """
    return {
        "state.backend.type": "hashmap",
        "execution.checkpointing.interval": f"{settings.checkpoint_interval_ms} ms",
        "execution.checkpointing.timeout": "3 min",
        "execution.checkpointing.tolerable-failed-checkpoints": 2**31 - 1,
        "execution.checkpointing.num-retained": 3,
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": folder(settings, "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": folder(settings, "savepoints").as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }


def python() -> Options:
    return {
        "python.execution-mode": default_execution_mode(),
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "python.fn-execution.bundle.time": 10,
    }


def java_options() -> str:
    """The add-opens options that Flink needs on Java 17, from the wheel's own configuration."""
    options = YAML(typ="safe").load(wheel() / "conf" / "config.yaml")
    return str(options["env"]["java"]["opts"]["all"])


def folder(settings: StackSettings, name: str) -> Path:
    return settings.home / "flink" / name


def wheel() -> Path:
    """The installed pyflink package, which holds Flink itself. Raises SetupError."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise SetupError("pyflink is not installed in this Python; run: make setup")
    return Path(spec.origin).parent
