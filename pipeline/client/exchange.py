"""Chunks in, transcripts out: over Kafka and the job, or within this process, behind one signature."""

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from pipeline.adapters.kafka import ChunkPublisher, TranscriptReader, ensure_topics
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk, Transcript, TranscriptKind
from pipeline.errors import SetupError

Transcripts = Generator[Transcript, None, None]

Transcriber = Callable[[Iterable[AudioChunk]], Transcripts]
"""Consumes paced chunks of any sessions and yields their transcripts as they come, to the last session's end.

Close the iterator (``contextlib.closing``) to stop early: open sessions are ended, what is queued is sent.
"""

POLL_S: Final = 0.1


class Publisher(Protocol):
    """Where chunks go; ChunkPublisher, or a list in a test."""

    def publish(self, chunk: AudioChunk) -> None: ...

    def flush(self) -> None: ...


class Reader(Protocol):
    """Where transcripts come from; TranscriptReader, or a script in a test."""

    def poll(self, timeout_s: float) -> list[Transcript]: ...


@contextmanager
def kafka_transcriber(
    settings: KafkaSettings, session_ids: Collection[str], patience_s: float
) -> Iterator[Transcriber]:
    """The running job as a transcriber of these sessions. Raises BrokerUnreachable, SetupError.

    It listens before anything is sent, so that no transcript is missed.
    """
    ensure_topics(settings)
    with TranscriptReader(settings, sessions=session_ids) as reader, ChunkPublisher(settings) as publisher:
        yield partial(exchanged, publisher=publisher, reader=reader, session_ids=session_ids, patience_s=patience_s)


def exchanged(
    chunks: Iterable[AudioChunk],
    publisher: Publisher,
    reader: Reader,
    session_ids: Collection[str],
    patience_s: float,
) -> Transcripts:
    """Publishes in the background and yields transcripts until each session has ended.

    Raises what publishing raises, and SetupError when nothing has come for ``patience_s`` after the last chunk.
    """
    sender = Sender(chunks, publisher)
    sender.start()
    try:
        yield from _answers(sender, reader, set(session_ids), patience_s)
    finally:
        sender.stop()


class Sender:
    """Publishes chunks in a thread of its own, until they end or it is stopped."""

    def __init__(self, chunks: Iterable[AudioChunk], publisher: Publisher) -> None:
        self._chunks = chunks
        self._publisher = publisher
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="voxflow-sender", daemon=True)
        self._failure: BaseException | None = None
        self._open: dict[str, AudioChunk] = {}

    def start(self) -> None:
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether everything has been stored by Kafka. Raises what made publishing fail."""
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Returns when everything has been stored. Raises what made publishing fail; Ctrl-C gets through."""
        while not self.finished:
            self._thread.join(POLL_S)

    def stop(self) -> None:
        """Ends the sessions that are still open, so that the job need not wait for more of them."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._publish_all()
            self._publisher.flush()
        except BaseException as exc:  # handed to the thread that reads
            self._failure = exc

    def _publish_all(self) -> None:
        try:
            for chunk in self._chunks:
                if self._stopping.is_set():
                    return
                self._publish(chunk)
        finally:
            for last in list(self._open.values()):
                self._publish(goodbye(last))

    def _publish(self, chunk: AudioChunk) -> None:
        self._publisher.publish(chunk)
        self._open[chunk.session_id] = chunk
        if chunk.end_of_stream:
            del self._open[chunk.session_id]


def goodbye(last: AudioChunk) -> AudioChunk:
    """The empty chunk that ends a session after ``last``."""
    return replace(last, seq=last.seq + 1, packets=(), end_of_stream=True)


def _answers(sender: Sender, reader: Reader, pending: set[str], patience_s: float) -> Transcripts:
    quiet_since_s = time.monotonic()
    asked, answered = len(pending), False
    while pending:
        arrived = reader.poll(POLL_S)
        for transcript in arrived:
            yield transcript
            if transcript.kind is TranscriptKind.SESSION_END:
                pending.discard(transcript.session_id)
        answered = answered or bool(arrived)
        if arrived or not sender.finished:
            quiet_since_s = time.monotonic()
        elif time.monotonic() - quiet_since_s > patience_s:
            raise _no_answer(asked, len(pending), answered, patience_s)


def _no_answer(asked: int, pending: int, answered: bool, patience_s: float) -> SetupError:
    if not answered:
        return SetupError(
            f"no transcript came within {patience_s:g} s after the audio was sent: "
            "see `voxflow status` whether a job runs, start one with `voxflow deploy`"
        )
    return SetupError(
        f"{pending} of {asked} sessions did not end within {patience_s:g} s after the last transcript: "
        "see `voxflow status` and `voxflow logs`, or allow more with --timeout"
    )
