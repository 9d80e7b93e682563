"""Graphs kept on disk: making them takes a second and the onnx package, reading them a twentieth of a second.

A file holds the SHA-256 of a graph and the graph; one that does not match is made again. It is written under another
name and then renamed, so that any number of processes may start at once. Where nothing can be written, the graph is
made at every start.
"""

import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

MOST_KEPT: Final = 4
"""Graphs of one name, the latest ones: several releases may take turns on a machine."""

_DIGEST_BYTES: Final = 32

log = logging.getLogger(__name__)


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Where this user keeps what can be made again: XDG_CACHE_HOME/voxflow, or HOME/.cache/voxflow; None without both.

    Source: XDG Base Directory Specification, which has relative paths ignored.
    """
    chosen, home = (Path(environ.get(name, "")) for name in ("XDG_CACHE_HOME", "HOME"))
    if chosen.is_absolute():
        return chosen / "voxflow"
    return home / ".cache" / "voxflow" if home.is_absolute() else None


class GraphCache:
    """The graphs that one ``key`` stands for: it must change whenever a graph would. Without a folder none is kept."""

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder = folder
        self._key = key

    def graph(self, name: str, build: Callable[[], bytes]) -> bytes:
        """The graph of that name, from the disk or from ``build``."""
        if self._folder is None:
            return _in_own_thread(build)
        path = self._folder / f"{name}-{self._key}.onnx"
        kept = _read(path)
        if kept is not None:
            return kept
        built = _in_own_thread(build)
        try:
            _write(path, built)
            _prune(self._folder, name)
        except OSError as error:
            log.warning("cannot keep a graph as %s (%s); each start of the engine takes a second longer", path, error)
        return built


def _in_own_thread(build: Callable[[], bytes]) -> bytes:
    """What makes a graph imports onnx. Its native module, imported first by one of the threads that a TaskManager runs
    Python in, may wait for the interpreter's lock for ever.
    """
    with ThreadPoolExecutor(1, "voxflow-graph") as own_thread:
        return own_thread.submit(build).result()


def _read(path: Path) -> bytes | None:
    """The graph in a file; None where there is none, or not all of it."""
    try:
        with path.open("rb") as file:
            digest, graph = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    return graph if sha256(graph).digest() == digest else None


def _write(path: Path, graph: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(sha256(graph).digest())
        file.write(graph)
    unfinished.replace(path)


def _prune(folder: Path, name: str) -> None:
    """Drops all but the latest files of that name, and with them what a killed process left unfinished."""
    latest_first = sorted(folder.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in latest_first[MOST_KEPT:]:
        path.unlink(missing_ok=True)
