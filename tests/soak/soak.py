"""A run: sessions live, memory and state are watched, and at the end nothing may be left."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from pipeline.adapters.kafka import TranscriptReader
from pipeline.client.pacing import Start
from pipeline.config import KafkaSettings
from pipeline.domain.types import AudioChunk
from pipeline.local.running_job import RunningJob, StateSize
from pipeline.local.stack import Stack
from tests.soak.memory import Sample, sampled
from tests.soak.playing import Cast, Player, every
from tests.soak.trend import Trend, trend

POLL_S: Final = 0.2
BYTES_PER_MB: Final = 1024 * 1024

KEPT_ON_PURPOSE: Final = frozenset({"usage"})
"""A minute of usage may still be corrected ten minutes later: its few hundred bytes stay for so long."""


@dataclass
class Watch:
    """Looks at processes and state whenever it is called; ``speaking_s`` is set when the last session was sent."""

    stack: Stack
    job: RunningJob
    began_s: float = field(default_factory=time.monotonic)
    speaking_s: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    states: list[tuple[float, StateSize]] = field(default_factory=list)

    def __call__(self, now_s: float) -> None:
        at_s = now_s - self.began_s
        self.samples.append(sampled(self.stack, at_s))
        state = self.job.state_size()
        if state is not None:
            self.states.append((at_s, state))

    def memory_trend(self, process: str, warm_up_s: float) -> Trend:
        """Megabytes an hour, of the time between the warm-up and the last session. Raises ValueError."""
        seen = [one for one in self.samples if warm_up_s <= one.at_s <= self.speaking_s and process in one.processes]
        return trend([one.at_s for one in seen], [one.processes[process].rss_mb for one in seen])

    def state_trend(self, warm_up_s: float) -> Trend:
        """Megabytes of a checkpoint an hour, of the same time. Raises ValueError."""
        seen = [(at_s, sum(state.values())) for at_s, state in self.states if warm_up_s <= at_s <= self.speaking_s]
        return trend([at_s for at_s, _ in seen], [size / BYTES_PER_MB for _, size in seen])


def left_over(before: StateSize, after: StateSize) -> StateSize:
    """Bytes that each operator keeps beyond what it had; nothing where all is as before."""
    more = {name: size - before[name] for name, size in after.items() if name not in KEPT_ON_PURPOSE}
    return {name: size for name, size in more.items() if size > 0}


def play_out(
    kafka: KafkaSettings,
    cast: Cast,
    chunks: Iterable[AudioChunk],
    start: Start,
    watch: Watch,
    before: StateSize,
    patience_s: float,
    sample_s: float,
    progress: Callable[[float], None] = lambda now_s: None,
) -> StateSize:
    """Plays everything, and waits until the state is as small as before; what is left of it after ``patience_s``."""
    look = every(sample_s, watch)
    with TranscriptReader(kafka, partials=False) as reader, Player(chunks, kafka, start) as player:
        while not player.finished:
            cast.hear(reader.poll(POLL_S))
            look(time.monotonic())
            progress(time.monotonic())
        watch.speaking_s = time.monotonic() - watch.began_s
        give_up_s = time.monotonic() + patience_s
        left = left_over(before, watch.states[-1][1])
        while left and time.monotonic() < give_up_s:
            cast.hear(reader.poll(POLL_S))
            look(time.monotonic())
            progress(time.monotonic())
            left = left_over(before, watch.states[-1][1])
        return left
