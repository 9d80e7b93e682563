"""Sessions spoken into a running job, one fault in mid-speech, and all that was heard."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from pipeline.adapters.kafka import ChunkPublisher, TranscriptReader
from pipeline.adapters.kafka.scan import Span, Spans, kept, stored_records
from pipeline.client.exchange import Publisher, exchanged
from pipeline.client.pacing import Pace, Start, merged, paced
from pipeline.codecs.avro import decode_transcript
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk, Transcript
from pipeline.errors import SetupError
from tests.chaos.speech import CHUNK_MS, Stream
from tests.chaos.verdict import longest_silence_s

PATIENCE_S: Final = 60.0
"""So long after the last transcript and the last chunk the sessions that are still open count as forgotten."""

Strike = Callable[[], None]
"""Hurts the system, and returns when it has been left to itself again."""


@dataclass(slots=True)
class Heard:
    """What came of some sessions.

    ``arrivals_s`` and ``struck_at_s`` are on the monotonic clock; ``records`` are all that the topic of finals holds of
    each session, repeats too. ``problem`` says why not all of them ended.
    """

    begun_at_s: float
    arrivals_s: list[float] = field(default_factory=list)
    struck_at_s: float | None = None
    records: dict[str, list[Transcript]] = field(default_factory=dict)
    problem: str | None = None

    @property
    def silence_s(self) -> float:
        """The longest time without a word from the fault on, or where there was none, from the first word on."""
        since_s = self.struck_at_s if self.struck_at_s is not None else min(self.arrivals_s, default=self.begun_at_s)
        return longest_silence_s(since_s, self.arrivals_s)


def spoken(
    kafka: KafkaSettings,
    streams: Sequence[Stream],
    start: Start,
    pace: Pace,
    strike: Strike | None = None,
    publisher: Publisher | None = None,
    listen_to: Collection[str] = (),
) -> Heard:
    """Speaks the streams into the job and listens to their sessions, and those of ``listen_to``, until all have ended.

    ``strike`` runs beside it as soon as everybody has been heard and one final has come. Raises what it raises.
    """
    session_ids = {stream[0].session_id for stream in streams} | set(listen_to)
    before = kept(kafka, kafka.topics.finals)
    heard = Heard(time.monotonic())
    listener = _Listener(heard, session_ids, strike)
    with ExitStack() as opened:
        beside = opened.enter_context(ThreadPoolExecutor(1))
        reader = opened.enter_context(TranscriptReader(kafka, sessions=session_ids))
        publisher = publisher or opened.enter_context(ChunkPublisher(kafka))
        chunks = _in_time(streams, start, pace)
        try:
            for transcript in exchanged(chunks, publisher, reader, session_ids, PATIENCE_S):
                listener.hear(transcript, beside)
        except SetupError as error:  # forgotten sessions are what is looked for: they must reach the report
            heard.problem = str(error)
            heard.arrivals_s.append(time.monotonic())
    listener.raise_failure()
    heard.records = _stored(kafka, before, session_ids)
    return heard


class _Listener:
    """Notes when each transcript came, and strikes once."""

    def __init__(self, heard: Heard, session_ids: Collection[str], strike: Strike | None) -> None:
        self._heard = heard
        self._silent = set(session_ids)
        self._strike = strike
        self._final_came = False
        self._outcome: Future[None] | None = None

    def hear(self, transcript: Transcript, beside: ThreadPoolExecutor) -> None:
        self._heard.arrivals_s.append(time.monotonic())
        self._silent.discard(transcript.session_id)
        self._final_came |= transcript.is_final
        if self._strike is not None and self._outcome is None and self._final_came and not self._silent:
            self._heard.struck_at_s = time.monotonic()
            self._outcome = beside.submit(self._strike)

    def raise_failure(self) -> None:
        if self._outcome is not None:
            self._outcome.result()
        elif self._strike is not None:
            self._heard.problem = self._heard.problem or "the fault never struck: not everybody was heard in time"


def _in_time(streams: Sequence[Stream], start: Start, pace: Pace) -> Iterator[AudioChunk]:
    everything = merged(iter(stream) for stream in streams)
    if pace is Pace.FAST:
        return everything
    return paced(everything, start, CHUNK_MS, time.monotonic, time.sleep)


def _stored(kafka: KafkaSettings, before: Spans, session_ids: Collection[str]) -> dict[str, list[Transcript]]:
    """The records of each session that the topic of finals has got since ``before``."""
    topic = kafka.topics.finals
    new = {number: Span(before[number].end, span.end) for number, span in kept(kafka, topic).items()}
    found: dict[str, list[Transcript]] = {session_id: [] for session_id in session_ids}
    for record in stored_records(kafka, topic, new):
        transcript = decode_transcript(record.value)
        if transcript.session_id in found:
            found[transcript.session_id].append(transcript)
    return found
