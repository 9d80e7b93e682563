"""One ZooKeeper server, which Flink elects its JobManager with and finds the jobs of a dead one by.

It comes inside Flink's own jar. Flink's launcher of it, FlinkZooKeeperQuorumPeer, never purges the logs of a server
that runs alone; ZooKeeper's own does. It listens on this machine only.
"""

import os
import socket
from pathlib import Path
from typing import Final

from pipeline.config import StackSettings
from pipeline.local.flink_options import ZOOKEEPER_HOST, wheel
from pipeline.local.java import QUICK_COMPILER, STEADY, jvm
from pipeline.local.ports import Port
from pipeline.local.process import Process

NAME: Final = "zookeeper"
MAIN_CLASS: Final = "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.quorum.QuorumPeerMain"
HEAP_MB: Final = 32
TIMEOUT_S: Final = 1.0
TICK_MS: Final = 500
"""A session is granted 2 to 20 ticks, and ends at one."""
FLAGS: Final = (
    # ZooKeeper looks for log4j 1, which is not there.
    "-Dzookeeper.jmx.log4j.disable=true",
    # The log of changes grows by steps of 1 MB instead of 64: a few hundred bytes a checkpoint are written.
    "-Dzookeeper.preAllocSize=1024",
    # A new log after so many changes, half a day's, so that the old ones can be purged.
    "-Dzookeeper.snapCount=50000",
)


def process(settings: StackSettings) -> Process:
    """The server's process, running or not."""
    return Process(NAME, settings.home / "run" / f"{NAME}.pid", settings.home / "logs" / f"{NAME}.log")


def ports_of(settings: StackSettings) -> tuple[Port, ...]:
    return (Port("ZooKeeper", settings.zookeeper_port, "VOXFLOW_ZOOKEEPER_PORT"),)


def start(settings: StackSettings) -> None:
    """Starts the server. Raises StackError."""
    jars = [jar for pattern in ("flink-dist-*.jar", "log4j-*.jar") for jar in (wheel() / "lib").glob(pattern)]
    command = [*jvm(HEAP_MB, jars), QUICK_COMPILER, *FLAGS, MAIN_CLASS, str(write_configuration(settings))]
    process(settings).start(command, {**os.environ, **STEADY})


def ready(settings: StackSettings) -> bool:
    """Whether the server says that it is in order."""
    try:
        with socket.create_connection((ZOOKEEPER_HOST, settings.zookeeper_port), TIMEOUT_S) as connection:
            connection.sendall(b"ruok")
            return connection.recv(16) == b"imok"
    except OSError:
        return False


def write_configuration(settings: StackSettings) -> Path:
    path, options = settings.home / NAME / "zoo.cfg", properties(settings)
    Path(options["dataDir"]).mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}={value}\n" for name, value in options.items()))
    return path


def properties(settings: StackSettings) -> dict[str, str]:
    """The server's own configuration; every name is ZooKeeper's."""
    return {
        "dataDir": str(settings.home / NAME / "data"),
        "clientPort": str(settings.zookeeper_port),
        "clientPortAddress": ZOOKEEPER_HOST,
        "tickTime": str(TICK_MS),
        # The newest three logs are kept, and looked through every hour.
        "autopurge.snapRetainCount": "3",
        "autopurge.purgeInterval": "1",
        # An HTTP server for administrators, on port 8080.
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "ruok",
    }
