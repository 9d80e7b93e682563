"""The load of perf/plumbing.py: many sessions of one recording, and what a process spends on them."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from pipeline.adapters.audio_files import pcm_blocks
from pipeline.adapters.kafka import ChunkPublisher
from pipeline.adapters.kafka.client import consumer_config
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.codecs.encoders import make_encoder
from pipeline.config import KafkaSettings
from pipeline.domain.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, AudioChunk, Codec, Pcm16
from pipeline.engines.base import EngineSettings, load_detector
from pipeline.errors import SetupError

CHUNK_MS: Final = 100
SPEECH_SHARE: Final = 0.6
SPEECH_PROBABILITY: Final = 0.5
PAUSE_FRAMES: Final = 8
"""So many frames of 32 ms without speech are a pause that may be made longer."""

PHASE_CHUNKS: Final = 37
"""The next session is so much further in the recording, so that speech and pauses of all sessions are mixed."""

Packets = tuple[bytes, ...]
"""Those of one chunk."""


@dataclass(frozen=True, slots=True)
class Load:
    """``sessions`` sessions, each a loop over ``recorded``, a chunk of each in turn."""

    recorded: Sequence[Packets]
    prefix: str
    sessions: int
    begun_at_ms: int

    def step(self, number: int) -> Iterator[AudioChunk]:
        """The chunk ``number`` of every session."""
        return (self._chunk(session, number) for session in range(self.sessions))

    def last(self, number: int) -> Iterator[AudioChunk]:
        """The end of every session, an empty chunk."""
        return (self._chunk(session, number, ends=True) for session in range(self.sessions))

    def _chunk(self, session: int, number: int, ends: bool = False) -> AudioChunk:
        return AudioChunk(
            session_id=f"{self.prefix}-{session:05d}",
            seq=number,
            captured_at_ms=self.begun_at_ms + number * CHUNK_MS,
            codec=Codec.OPUS,
            sample_rate_hz=SAMPLE_RATE_HZ,
            channels=1,
            packets=() if ends else self.recorded[(number + session * PHASE_CHUNKS) % len(self.recorded)],
            end_of_stream=ends,
            tenant="plumbing",
        )


def publish(publisher: ChunkPublisher, load: Load, steps: range, begun_s: float, interval_s: float) -> None:
    """Chunks of these steps, each session's one in each ``interval_s``, spread evenly; a late one leaves at once.

    ``begun_s``: the start, on the monotonic clock.
    """
    for number, step in enumerate(steps):
        for session, chunk in enumerate(load.step(step)):
            if session % 8 == 0:  # a sleep a chunk would take as much time as the chunk
                _sleep_until(begun_s + (number + session / load.sessions) * interval_s)
            publisher.publish(chunk)


def await_read(kafka: KafkaSettings, group: str, patience_s: float) -> float:
    """Waits until the job has read all audio and said so with a checkpoint; how long that took, in seconds.

    Raises SetupError after ``patience_s``.
    """
    begun_s = time.monotonic()
    consumer = Consumer(consumer_config(kafka, group))  # it asks about the group and does not join it
    try:
        topic = consumer.list_topics(kafka.topics.audio).topics[kafka.topics.audio]
        places = [TopicPartition(kafka.topics.audio, number) for number in topic.partitions]
        ends = {place.partition: consumer.get_watermark_offsets(place)[1] for place in places}
        while any(ends[place.partition] > max(0, place.offset) for place in consumer.committed(places)):
            if time.monotonic() - begun_s > patience_s:
                raise SetupError(f"the job did not read all audio within {patience_s:g} s: take a lower --rate")
            time.sleep(0.1)
    finally:
        consumer.close()
    return time.monotonic() - begun_s


def recorded_chunks() -> list[Packets]:
    """A novel with its pauses made so long that SPEECH_SHARE of it is speech, as Opus packets, chunk by chunk."""
    audio = with_pauses(read(recording(TWO_CITIES)))
    encoder = make_encoder(Codec.OPUS, SAMPLE_RATE_HZ, 1)
    chunk = CHUNK_MS * SAMPLES_PER_MS
    whole = len(audio) - len(audio) % chunk
    return [tuple(encoder.encode(audio[None, at : at + chunk])) for at in range(0, whole, chunk)]


def read(path: Path) -> Pcm16:
    return np.concatenate([block[0] for block in pcm_blocks(path, SAMPLE_RATE_HZ, 1000)])


def with_pauses(audio: Pcm16) -> Pcm16:
    """The audio with each of its pauses made longer by digital silence, all by as much."""
    detector = load_detector(EngineSettings())()
    frame = detector.frame_samples
    frames = audio[: len(audio) - len(audio) % frame].reshape(-1, frame)
    speaks = [probability >= SPEECH_PROBABILITY for probability in detector.probabilities(frames)]
    places = [middle * frame for middle in pauses(speaks)]
    wanted = round(sum(speaks) * frame / SPEECH_SHARE)
    silence = np.zeros(max(0, wanted - len(audio)) // len(places), np.int16)
    return np.concatenate([part for piece in np.split(audio, places) for part in (piece, silence)][:-1])


def pauses(speaks: Sequence[bool]) -> list[int]:
    """The middle frame of each pause."""
    found, at = [], 0
    for spoken, run in groupby(speaks):
        length = len(list(run))
        if not spoken and length >= PAUSE_FRAMES:
            found.append(at + length // 2)
        at += length
    return found


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds of a process since its start, and of its threads by name."""

    total_s: float
    threads_s: Counter[str]

    def since(self, earlier: "CpuTime") -> "CpuTime":
        return CpuTime(self.total_s - earlier.total_s, self.threads_s - earlier.threads_s)


def cpu_time(pid: int) -> CpuTime:
    """From /proc: user and system time. Threads whose names differ in a number only count as one."""
    process = Path(f"/proc/{pid}")
    threads: Counter[str] = Counter()
    for thread in (process / "task").iterdir():
        try:
            name, seconds = _spent(thread / "stat")
        except FileNotFoundError:  # it ended meanwhile; the process's total has its time
            continue
        threads[name.rstrip("0123456789#-")] += seconds
    return CpuTime(_spent(process / "stat")[1], threads)


def _spent(stat: Path) -> tuple[str, float]:
    name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
    user, system = map(int, fields.split()[11:13])
    return name, (user + system) / os.sysconf("SC_CLK_TCK")


def _sleep_until(at_s: float) -> None:
    early_s = at_s - time.monotonic()
    if early_s > 0:
        time.sleep(early_s)
