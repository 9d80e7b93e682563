"""How each view is doing, as operators and Kubernetes ask for it over HTTP.

/healthz    200 while every view is being written, else 503; a JSON object with each view's state either way
/livez      200 while the process runs: a view that is down is no reason to start it again
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Final, Literal, Self

from pipeline.errors import SetupError

log = logging.getLogger(__name__)

State = Literal["starting", "running", "waiting", "stopped"]
"""Waiting: the view does not answer, and its batch is tried again and again."""

HEALTHY: Final = ("running",)


@dataclass(frozen=True, slots=True)
class ViewReport:
    """A view at one moment; ``lag`` is how many records wait, the counts are since the start of the process."""

    view: str
    state: State = "starting"
    lag: int = 0
    written: int = 0
    dead_letters: int = 0
    last_answer_at_ms: int | None = None
    last_error: str | None = None
    last_error_at_ms: int | None = None


class ViewHealth:
    """Kept by a delivery loop, read by anyone: each report is a value."""

    def __init__(self, view: str) -> None:
        self._report = ViewReport(view)
        self._lock = Lock()

    def report(self) -> ViewReport:
        with self._lock:
            return self._report

    def answered(self, at_ms: int) -> None:
        """The view took what there was."""
        with self._lock:
            if self._report.state == "waiting":
                log.warning("delivery to %s goes on", self._report.view)
            self._report = replace(self._report, state="running", last_answer_at_ms=at_ms)

    def wrote(self, written: int, dead_letters: int) -> None:
        with self._lock:
            before = self._report
            total, letters = before.written + written, before.dead_letters + dead_letters
            self._report = replace(before, written=total, dead_letters=letters)

    def failed(self, error: str, at_ms: int) -> bool:
        """The view did not answer; whether that is news."""
        with self._lock:
            is_news = self._report.state != "waiting"
            self._report = replace(self._report, state="waiting", last_error=error, last_error_at_ms=at_ms)
        return is_news

    def lags(self, records: int) -> None:
        with self._lock:
            self._report = replace(self._report, lag=records)

    def stopped(self) -> None:
        with self._lock:
            self._report = replace(self._report, state="stopped")


def is_healthy(reports: Sequence[ViewReport]) -> bool:
    return all(report.state in HEALTHY for report in reports)


class HealthServer:
    """Answers on ``port``, of any interface, while the context is open. Raises SetupError if the port is taken."""

    def __init__(self, port: int, views: Sequence[ViewHealth]) -> None:
        try:
            self._server = ThreadingHTTPServer(("", port), _handler(views))
        except OSError as exc:
            raise SetupError(
                f"the health port {port} cannot be used ({exc.strerror}): choose another --health-port"
            ) from exc
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(views: Sequence[ViewHealth]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reports = [view.report() for view in views]
            match self.path:
                case "/healthz":
                    self._answer(200 if is_healthy(reports) else 503, {"views": [asdict(one) for one in reports]})
                case "/livez":
                    self._answer(200, {"alive": True})
                case _:
                    self._answer(404, {"error": "ask for /healthz or /livez"})

        def _answer(self, status: int, body: dict[str, object]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """A probe every second is no news."""

    return Handler
