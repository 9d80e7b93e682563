"""Where transcripts are shown: live on a terminal, as plain lines in a pipe, or as JSON for programs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.cli.captions import Captions, captions_view, final_line, updated
from pipeline.client.latency import Arrival, final_wait_ms, stage_waits
from pipeline.domain.types import Transcript, TranscriptKind

Print = Callable[[str], None]
"""Takes one line, without its end."""


class Display(Protocol):
    """Shows transcripts as they arrive; a context manager, since a live one must give the terminal back."""

    def show(self, arrival: Arrival) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Open:
    """A display with nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class PlainDisplay(_Open):
    """One line a final; partials too if asked for, marked with dots."""

    def __init__(self, write: Print, names: Mapping[str, str], partials: bool = False) -> None:
        self._write = write
        self._names = names
        self._partials = partials

    def show(self, arrival: Arrival) -> None:
        transcript = arrival.transcript
        if is_worth_a_line(transcript):
            self._write(final_line(transcript, self._names))
        elif self._partials and transcript.kind is TranscriptKind.PARTIAL:
            self._write(f"{final_line(transcript, self._names)} ...")


class JsonDisplay(_Open):
    """One JSON object a line. Waits are only told where ``start_at_ms``, the moment of the first sample, is known."""

    def __init__(
        self, write: Print, names: Mapping[str, str], start_at_ms: int | None = None, partials: bool = False
    ) -> None:
        self._write = write
        self._names = names
        self._start_at_ms = start_at_ms
        self._kinds = set(TranscriptKind) if partials else {TranscriptKind.FINAL}

    def show(self, arrival: Arrival) -> None:
        if arrival.transcript.kind in self._kinds:
            record = json_record(arrival, self._names, self._start_at_ms)
            self._write(json.dumps(record, ensure_ascii=False))


class LiveDisplay:
    """Finals scroll up as they settle; below them the open partials change in place."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._console = console
        self._names = names
        self._captions = Captions()
        self._live = Live(console=console, refresh_per_second=10, transient=True)

    def show(self, arrival: Arrival) -> None:
        self._captions = updated(self._captions, arrival.transcript)
        if is_worth_a_line(arrival.transcript):
            self._live.console.print(Text(final_line(arrival.transcript, self._names)))
        # Half the screen at most: wrapped partials take more than a line each.
        self._live.update(captions_view(self._captions, self._names, self._console.height // 2))

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update("")
        self._live.__exit__(kind, error, trace)


def is_worth_a_line(transcript: Transcript) -> bool:
    """Finals that say something, be it that they failed."""
    return transcript.kind is TranscriptKind.FINAL and bool(transcript.text or transcript.error)


def json_record(arrival: Arrival, names: Mapping[str, str], start_at_ms: int | None) -> dict[str, Any]:
    """One transcript for programs; ``file`` is null where the session is not one of this command's files."""
    transcript = arrival.transcript
    waits_are_known = start_at_ms is not None and transcript.is_final
    return {
        "file": names.get(transcript.session_id),
        "session_id": transcript.session_id,
        "kind": transcript.kind.value,
        "channel": transcript.channel,
        "segment": transcript.segment,
        "revision": transcript.revision,
        "start_ms": transcript.start_ms,
        "end_ms": transcript.end_ms,
        "text": transcript.text,
        "words": [asdict(word) for word in transcript.words],
        "language": transcript.language,
        "model": transcript.model,
        "degraded": transcript.degraded,
        "error": transcript.error,
        "arrived_at_ms": arrival.at_ms,
        "final_wait_ms": final_wait_ms(arrival, start_at_ms or 0) if waits_are_known else None,
        "stages_ms": stage_waits(arrival),
    }


def make_display(
    names: Mapping[str, str],
    write: Print,
    as_json: bool = False,
    start_at_ms: int | None = None,
    partials: bool = False,
) -> Display:
    """The display that fits where standard output goes."""
    if as_json:
        return JsonDisplay(write, names, start_at_ms, partials)
    return LiveDisplay(Console(), names) if is_terminal() else PlainDisplay(write, names, partials)


def is_terminal() -> bool:
    """Whether people read standard output as it changes, rather than a file or a program."""
    return Console().is_terminal
