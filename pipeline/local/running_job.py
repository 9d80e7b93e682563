"""What Flink's REST interface says about a running job: the size of its state, and its own metrics."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import StackError
from pipeline.local.process import wait_until

TIMEOUT_S: Final = 10.0

OPERATORS: Final = ("ingest", "sessions", "inference", "transcripts", "usage")
"""The operators that keep something, each in a task of its own (the names are those of pipeline/flink/graph.py)."""

StateSize = dict[str, int]
"""Operator to the bytes of its state in a checkpoint, over all subtasks."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job as seen through the REST interface at ``url``."""

    url: str
    job_id: str

    def state_size(self) -> StateSize | None:
        """Of the latest complete checkpoint; None before the first one."""
        latest = self._get("/checkpoints")["latest"]["completed"]
        if latest is None:
            return None
        tasks = self._get(f"/checkpoints/details/{latest['id']}")["tasks"]
        return {operator: tasks[vertex]["state_size"] for operator, vertex in self.vertices().items()}

    def first_state_size(self, patience_s: float) -> StateSize:
        """As soon as a checkpoint is complete. Raises StackError."""
        wait_until(lambda: self.state_size() is not None, patience_s)
        if (size := self.state_size()) is None:
            raise StackError(f"job {self.job_id} completed no checkpoint within {patience_s:.0f} s: see {self.url}")
        return size

    def vertices(self) -> dict[str, str]:
        """Operator to the id of the task that it runs in."""
        vertices = self._get("")["vertices"]
        return {name: one["id"] for name in OPERATORS for one in vertices if name in words(one["name"])}

    def counted(self, operator: str, names: Iterable[str]) -> dict[str, int]:
        """The operator's own metrics of these names, added up over its subtasks; 0 for those that are not there."""
        path = f"/vertices/{self.vertices()[operator]}/subtasks/metrics"
        wanted = set(names)
        ids = {one["id"]: one["id"].rpartition(".")[2] for one in self._get(path)}
        asked = [identity for identity, name in ids.items() if name in wanted]
        totals = dict.fromkeys(wanted, 0)
        if asked:
            query = urllib.parse.urlencode({"get": ",".join(asked), "agg": "sum"})
            for one in self._get(f"{path}?{query}"):
                totals[ids[one["id"]]] += int(one["sum"])
        return totals

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/jobs/{self.job_id}{path}", timeout=TIMEOUT_S) as answer:
            return json.load(answer)


def words(name: str) -> set[str]:
    """The names in a task's name, which lists those of its operators."""
    return set(name.replace(",", " ").replace("(", " ").replace(")", " ").replace(":", " ").split())
