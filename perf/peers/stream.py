"""Live sessions of a peer: a thread each feeds chunks as they are due, and what comes back is noted as it is shown."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from perf.shown import Shown
from perf.speech import Voice
from pipeline.domain.types import SAMPLES_PER_MS, Pcm

CHUNK_MS: Final = 100
SPREAD_MS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A text a peer gave, the span of its speech in milliseconds of the stream, and whether it stays."""

    segment: int
    start_ms: int
    end_ms: int
    is_final: bool
    text: str


class PeerStream(Protocol):
    """One live stream of a peer."""

    def feed(self, samples: Pcm) -> list[Heard]:
        """Takes (samples,), float32 in [-1, 1], 16 kHz; what is new, recognised now if it is due."""
        ...

    def finish(self) -> list[Heard]:
        """What is left at the end of the stream."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """``late_ms`` is how late each chunk was fed: a peer that is at work on the last one takes the next one late."""

    shown: list[Shown]
    late_ms: list[float]
    audio_s: float
    cpu_s: float


def run(open_stream: Callable[[], PeerStream], voices: Sequence[Voice]) -> Run:
    """All voices at once, in real time; the CPU time is that of this process."""
    streams = [open_stream() for _ in voices]
    began_s, cpu_s = time.monotonic() + 0.2, time.process_time()
    starts_s = [began_s + n * SPREAD_MS / 1000 / len(voices) for n in range(len(voices))]
    with ThreadPoolExecutor(len(voices)) as pool:
        played = list(pool.map(play, streams, voices, starts_s))
    audio_s = sum(voice.lasts_ms for voice in voices) / 1000
    texts = [text for shown, _ in played for text in shown]
    return Run(texts, [late for _, lates in played for late in lates], audio_s, time.process_time() - cpu_s)


def play(stream: PeerStream, voice: Voice, start_s: float) -> tuple[list[Shown], list[float]]:
    """What was shown of a voice that begins at ``start_s`` of the monotonic clock, and how late each chunk was fed."""
    audio = voice.audio.astype(np.float32) / np.float32(32768)
    step = CHUNK_MS * SAMPLES_PER_MS
    texts: list[Shown] = []
    late_ms: list[float] = []
    for at in range(0, len(audio), step):
        due_s = start_s + (at + step) / SAMPLES_PER_MS / 1000
        time.sleep(max(0.0, due_s - time.monotonic()))
        late_ms.append(1000 * (time.monotonic() - due_s))
        texts += stamped(stream.feed(audio[at : at + step]), voice, start_s)
    return texts + stamped(stream.finish(), voice, start_s), late_ms


def stamped(heard: Sequence[Heard], voice: Voice, start_s: float) -> list[Shown]:
    at_ms = round(1000 * (time.monotonic() - start_s))
    session = f"voice-{voice.number}"
    return [
        Shown(session, one.segment, at_ms, one.start_ms, one.end_ms, one.is_final, one.text)
        for one in heard
        if one.text
    ]
