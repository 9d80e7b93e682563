"""Chunks go out at their time, final texts come back and are held against those that should come."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pipeline.adapters.kafka import ChunkPublisher
from pipeline.client.pacing import Start, paced
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk, Transcript
from tests.chaos.speech import CHUNK_MS
from tests.chaos.verdict import Verdict, heard_ms, verdict
from tests.soak.scripts import Played


class Player:
    """Publishes chunks as they are due, in a thread of its own. It ends no session that does not end itself."""

    def __init__(self, chunks: Iterable[AudioChunk], kafka: KafkaSettings, start: Start) -> None:
        self._chunks, self._kafka, self._start = chunks, kafka, start
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="soak-player", daemon=True)

    def __enter__(self) -> "Player":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def finished(self) -> bool:
        """Whether all chunks are stored. Raises what made publishing fail."""
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with ChunkPublisher(self._kafka) as publisher:
                for chunk in paced(self._chunks, self._start, CHUNK_MS, time.monotonic, self._stopping.wait):
                    if self._stopping.is_set():
                        return
                    publisher.publish(chunk)
        except BaseException as exc:  # handed to the thread that listens
            self._failure = exc


@dataclass
class Cast:
    """The sessions that have begun, and what was heard of them. ``begin`` may be called by another thread."""

    played: list[Played] = field(default_factory=list)
    heard: dict[str, list[Transcript]] = field(default_factory=lambda: defaultdict(list))
    finals: int = 0

    def begin(self, session: Played) -> None:
        self.played.append(session)

    def hear(self, transcripts: Iterable[Transcript]) -> None:
        for transcript in transcripts:
            self.finals += transcript.is_final
            self.heard[transcript.session_id].append(transcript)

    def verdicts(self) -> dict[str, Verdict]:
        """How what was heard of each session compares with its script, by session id."""
        return {
            one.session_id: verdict(
                one.script.expected, self.heard.get(one.session_id, ()), heard_ms(one.script.expected)
            )
            for one in self.played
        }


def every(seconds: float, act: Callable[[float], None]) -> Callable[[float], None]:
    """Calls ``act`` at most that often, however often it is called itself; both take the time in seconds."""
    due_s = 0.0

    def maybe(now_s: float) -> None:
        nonlocal due_s
        if now_s >= due_s:
            due_s = now_s + seconds
            act(now_s)

    return maybe
