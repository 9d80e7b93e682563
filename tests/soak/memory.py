"""What the processes of a stack hold in memory, as Linux tells it (/proc/PID/status, proc(5))."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.local.process import session_members
from pipeline.local.stack import Stack

KB_PER_MB: Final = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """``rss_mb`` is in RAM; ``anonymous_mb`` of it is no file's: heaps, stacks and what libraries allocate."""

    rss_mb: float
    anonymous_mb: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What each process of the stack held at a moment, seconds since the run began."""

    at_s: float
    processes: dict[str, Memory]


def sampled(stack: Stack, at_s: float) -> Sample:
    """Every process that runs now, its children counted with it."""
    leaders = {process.name: process.pid() for process in stack.processes()}
    return Sample(at_s, {name: held_by(pid) for name, pid in leaders.items() if pid is not None})


def peaks_mb(samples: Sequence[Sample]) -> dict[str, int]:
    """The most that each process ever held in RAM."""
    names = {name for sample in samples for name in sample.processes}
    return {name: round(max(one.rss_mb for one in of_process(samples, name))) for name in sorted(names)}


def of_process(samples: Sequence[Sample], name: str) -> list[Memory]:
    """All that was seen of a process."""
    return [sample.processes[name] for sample in samples if name in sample.processes]


def held_by(leader: int) -> Memory:
    """The memory of a process and all others of its session."""
    members = [status(Path(f"/proc/{pid}/status")) for pid in session_members(leader)]
    return Memory(
        sum(one.get("VmRSS", 0) for one in members) / KB_PER_MB,
        sum(one.get("RssAnon", 0) for one in members) / KB_PER_MB,
    )


def status(path: Path) -> dict[str, int]:
    """The figures in kilobytes by name; none where the process is gone."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1:] == ["kB"]}
