"""`voxflow deliver` as a process of its own, which tests may stop, kill and look at."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import free_ports

VOXFLOW = "from pipeline.cli import main; main()"


@dataclass
class Deliverer:
    """One copy of the delivery to Redis; what it says on standard error goes to ``log``."""

    environ: Mapping[str, str]
    log: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = ("deliver", "--view", "redis", "--health-port", str(self.port))
        self.run("-c", VOXFLOW, *arguments)

    def run(self, *arguments: str) -> None:
        """Starts Python with these arguments in its place."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], env=dict(self.environ), stdout=output, stderr=output
            )

    def kill(self) -> None:
        """SIGKILL: it finishes nothing."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        return self._end(signal.SIGTERM)

    def health(self) -> tuple[int, dict[str, Any]]:
        """The status of /healthz (0 where nobody answers) and the report on Redis."""
        try:
            with urllib.request.urlopen(f"http://localhost:{self.port}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)["views"][0]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["views"][0]
        except OSError:
            return 0, {}

    def said(self) -> str:
        return self.log.read_text()

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
        return self.process.wait(30)
