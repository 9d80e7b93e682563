"""Voices played as live sessions through Kafka and the job, out of chunks that were encoded beforehand.

The client shares the machine with what it measures, so it is lean: one thread sends bytes that are ready, another reads
transcripts; what it spends is measured too.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perf.speech import Packets, Voice
from pipeline.adapters.kafka import TranscriptReader
from pipeline.client.latency import Arrival
from pipeline.client.load import Due, LoadGenerator
from pipeline.client.pacing import Start
from pipeline.client.sessions import unique_session_id, wall_ms
from pipeline.codecs.avro import encode_chunk
from pipeline.config import KafkaSettings
from pipeline.domain.types import SAMPLE_RATE_HZ, AudioChunk, Codec, TranscriptKind
from pipeline.errors import SetupError

POLL_S: Final = 0.1
PATIENCE_S: Final = 60.0
SPREAD_MS: Final = 2_000
"""Sessions begin evenly within so long: people do not speak in step."""

ENCODING_MS: Final = 0.5
"""What a record takes to encode, generously: the first one is due after so long for each."""


@dataclass(frozen=True)
class Played:
    """What came of a load; ``sessions`` is session id to the number of its voice, ``starts_ms`` to its first sample on
    the wall clock. ``took_s`` counts from the first sample to the last transcript, ``lagged_s`` from the last chunk.
    """

    arrivals: list[Arrival]
    sessions: dict[str, int]
    starts_ms: dict[str, int]
    took_s: float
    lagged_s: float
    late_ms: float

    @property
    def began_ms(self) -> int:
        """The start of ``took_s``, wall clock; of a load that is not live, just before its first chunk is sent."""
        return self.arrivals[-1].at_ms - round(1000 * self.took_s)


def play(kafka: KafkaSettings, voices: Sequence[Voice], chunk_ms: int, *, live: bool = True) -> Played:
    """All voices at once, in real time, or with ``live`` false as fast as they can be sent. Raises SetupError."""
    sessions = {unique_session_id(f"voice-{voice.number}"): voice.number for voice in voices}
    encoded = [voice.chunks(chunk_ms) for voice in voices]
    lead_ms = round(ENCODING_MS * sum(map(len, encoded))) if live else 0
    start = Start(wall_ms() + lead_ms, time.monotonic() + lead_ms / 1000)
    starts_ms = {name: start.at_ms + n * SPREAD_MS // len(voices) for n, name in enumerate(sessions)}
    records = encoded_records(dict(zip(sessions, encoded, strict=True)), starts_ms, chunk_ms)
    if not live:
        start = Start(wall_ms(), time.monotonic())
    generator = LoadGenerator(records, kafka, start if live else None)
    arrivals = heard(kafka, sessions.keys(), generator)
    last_s = (arrivals[-1].at_ms - start.at_ms) / 1000
    lagged_s = last_s - (generator.ended_s - start.monotonic_s)
    return Played(arrivals, sessions, starts_ms, last_s, lagged_s, generator.late_ms)


def heard(kafka: KafkaSettings, session_ids: Collection[str], generator: LoadGenerator) -> list[Arrival]:
    """Every transcript until each session has ended. Raises SetupError when nothing comes for too long."""
    arrivals: list[Arrival] = []
    pending, quiet_since_s = set(session_ids), time.monotonic()
    with TranscriptReader(kafka, sessions=session_ids) as reader:
        generator.start()
        while pending:
            arrived = reader.poll(POLL_S)
            at_ms = wall_ms()
            arrivals += [Arrival(transcript, at_ms) for transcript in arrived]
            pending -= {one.session_id for one in arrived if one.kind is TranscriptKind.SESSION_END}
            if arrived or not generator.finished:
                quiet_since_s = time.monotonic()
            elif time.monotonic() - quiet_since_s > PATIENCE_S:
                raise SetupError(f"{len(pending)} of {len(session_ids)} sessions did not end; see `voxflow logs`")
    return arrivals


def encoded_records(
    sessions: Mapping[str, Sequence[Packets]], starts_ms: Mapping[str, int], chunk_ms: int
) -> list[Due]:
    """The chunks of all sessions in the order in which they are due."""
    records = [
        Due(starts_ms[name] + (seq + 1) * chunk_ms, name.encode(), encode_chunk(chunk))
        for name, packets in sessions.items()
        for seq, chunk in enumerate(chunks(name, packets, starts_ms[name], chunk_ms))
    ]
    return sorted(records, key=lambda record: record.at_ms)


def chunks(session_id: str, packets: Sequence[Packets], start_at_ms: int, chunk_ms: int) -> list[AudioChunk]:
    """A session of these packets that begins at ``start_at_ms``, wall clock; the last chunk ends it."""
    return [
        AudioChunk(
            session_id=session_id,
            seq=seq,
            captured_at_ms=start_at_ms + seq * chunk_ms,
            codec=Codec.OPUS,
            sample_rate_hz=SAMPLE_RATE_HZ,
            channels=1,
            packets=of_chunk,
            end_of_stream=seq == len(packets) - 1,
            tenant="perf",
        )
        for seq, of_chunk in enumerate(packets)
    ]
