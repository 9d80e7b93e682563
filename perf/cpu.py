"""Who spends the processor's time: the processes of the stack, this one, and everybody else on the machine."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.local.process import session_members, stat_fields
from pipeline.local.stack import Stack

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
USER_TICKS, SYSTEM_TICKS = 11, 12
"""Places in what follows the name in /proc/PID/stat (proc(5))."""

IDLE_TICKS, WAITING_TICKS, STOLEN_TICKS, GUEST_TICKS = 3, 4, 7, 8
"""Places in the first line of /proc/stat."""


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds of CPU since each began, at the moment ``at_s`` of the monotonic clock.

    ``stolen_s`` is what the machine's host gave to others; ``all_s`` is what everything on this machine took.
    """

    at_s: float
    processes: dict[str, float]
    client_s: float
    all_s: float
    stolen_s: float

    @classmethod
    def taken(cls, stack: Stack) -> "CpuTime":
        leaders = {process.name: process.pid() for process in stack.processes()}
        spent = {name: of_process(pid) for name, pid in leaders.items() if pid is not None}
        all_s, stolen_s = of_machine(Path("/proc/stat").read_text())
        return cls(time.monotonic(), spent, time.process_time(), all_s, stolen_s)

    def since(self, before: "CpuTime") -> dict[str, float]:
        """Cores that each kept busy meanwhile, on average: a second of CPU a second is one core."""
        elapsed_s = self.at_s - before.at_s
        ours = {name: spent - before.processes.get(name, 0.0) for name, spent in self.processes.items()}
        ours["client"] = self.client_s - before.client_s
        others_s = self.all_s - before.all_s - sum(ours.values())
        spent = {**ours, "others": max(0.0, others_s), "stolen": self.stolen_s - before.stolen_s}
        return {name: round(seconds / elapsed_s, 3) for name, seconds in spent.items()}


def of_process(leader: int) -> float:
    """CPU seconds of a process and all others of its session."""
    fields = [stat_fields(pid) for pid in session_members(leader)]
    return sum(int(one[USER_TICKS]) + int(one[SYSTEM_TICKS]) for one in fields if one) / TICKS_PER_S


def of_machine(stat: str) -> tuple[float, float]:
    """Seconds in which a core of the machine was busy, and in which it was taken away, from the text of /proc/stat."""
    ticks = [int(figure) for figure in stat.splitlines()[0].split()[1:]]
    away = ticks[IDLE_TICKS] + ticks[WAITING_TICKS] + ticks[STOLEN_TICKS]
    return (sum(ticks[:GUEST_TICKS]) - away) / TICKS_PER_S, ticks[STOLEN_TICKS] / TICKS_PER_S
