"""One Redis server of Debian's package, for the live cache: it listens on this machine only and stores no file."""

import os
import shutil
import socket

from pipeline.config import StackSettings
from pipeline.errors import StackError
from pipeline.local.ports import Port, answers
from pipeline.local.process import Process

NAME = "redis"
MAX_MEMORY = "512mb"


def process(settings: StackSettings) -> Process:
    """The server's process, running or not."""
    return Process(NAME, settings.home / "run" / f"{NAME}.pid", settings.home / "logs" / f"{NAME}.log")


def ports_of(settings: StackSettings) -> tuple[Port, ...]:
    return (Port("Redis", settings.redis_port, "VOXFLOW_REDIS_PORT"),)


def start(settings: StackSettings) -> None:
    """Starts the server. Raises StackError, also where it is not installed."""
    folder = settings.home / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": str(settings.redis_port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "daemonize": "no",
        # The topics are the truth: what is lost here is written again from them.
        "save": "",
        "appendonly": "no",
        # Full memory refuses writes, which delivery waits for; evicting would lose texts in silence.
        "maxmemory": MAX_MEMORY,
        "maxmemory-policy": "noeviction",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    process(settings).start([server_command(), *arguments], os.environ)


def ready(settings: StackSettings) -> bool:
    """Whether the server answers a ping."""
    return answers(settings.redis_port) and _pong(settings.redis_port)


def server_command() -> str:
    """Where redis-server is. Raises StackError."""
    found = shutil.which("redis-server")
    if found is None:
        raise StackError(
            "redis-server is not installed, and the live cache needs it; run: make setup "
            "(or by hand on Debian: sudo apt-get install redis-server)"
        )
    return found


def _pong(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
