"""Is a port of this machine free, and if not, who holds it? (Linux: /proc/net/tcp, proc(5))"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StackError
from pipeline.local.process import wait_until

LISTEN = "0A"
RELEASE_S = 3.0
"""How long a port without a visible holder is waited for: it may be that of a server that was killed a moment ago."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a server will listen on, and the environment variable that moves it."""

    server: str
    number: int
    variable: str

    def require_free(self) -> None:
        """Raises StackError naming the server, the port, its holder and the variable."""
        wait_until(lambda: is_free(self.number) or holder(self.number) is not None, RELEASE_S)
        if not is_free(self.number):
            raise StackError(
                f"port {self.number}, which {self.server} needs, is taken by "
                f"{holder(self.number) or 'a process of another user'}; "
                f"stop that process or set {self.variable} to a free port"
            )


def is_free(port: int) -> bool:
    """Whether a server could listen on localhost:port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int, timeout_s: float = 0.5) -> bool:
    """Whether something accepts connections on localhost:port."""
    try:
        socket.create_connection(("localhost", port), timeout_s).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str | None:
    """The listening process as "pid 12 (name)"; one of another user cannot be seen, nor one whose end has begun."""
    inodes = set(listening_inodes(port))
    for pid in (entry for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        if inodes & set(socket_inodes(pid)):
            return f"pid {pid.name} ({command_name(pid)})"
    return None


def listening_inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def socket_inodes(process: Path) -> Iterator[str]:
    try:
        for handle in (process / "fd").iterdir():
            target = str(handle.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:
        return


def command_name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "just ended"
