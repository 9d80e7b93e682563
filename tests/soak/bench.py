"""One load put on the job, from its first chunk until everything is worked off, and what came of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pipeline.adapters.kafka import TranscriptReader
from pipeline.client.latency import Arrival, final_wait_ms
from pipeline.client.load import LoadGenerator
from pipeline.client.pacing import Start
from pipeline.client.sessions import unique_session_id, wall_ms
from pipeline.config import KafkaSettings
from pipeline.domain.scoring import percentiles
from pipeline.domain.types import TranscriptKind
from pipeline.flink.settings import JobSettings
from pipeline.local.running_job import RunningJob
from pipeline.local.stack import Stack
from pipeline.observability import metrics
from tests.chaos.verdict import Verdict
from tests.soak.lag import records_behind
from tests.soak.load import encoded, starts
from tests.soak.memory import Sample, peaks_mb, sampled
from tests.soak.playing import Cast, every
from tests.soak.scripts import Played, Script

POLL_S: Final = 0.1
SAMPLE_S: Final = 1.0
PATIENCE_S: Final = 60.0
QUIET_S: Final = 12.0
"""A load is over when nothing has come for so long. By then Flink's REST interface tells its metrics as they are: it
asks the TaskManagers for them every 10 s (``metrics.fetcher.update-interval``).
"""

ENCODING_MS: Final = 2.0
"""What a second of a session takes to encode, generously: the load begins after so long."""

SHED: Final = (
    metrics.PARTIALS_REPLACED,
    metrics.PARTIALS_LATE,
    metrics.PARTIALS_CROWDED,
    metrics.PARTIALS_DISTRUSTED,
)
"""Partials that the engine was asked for and that were let go, by the reason."""


@dataclass
class Watched:
    """What was seen of a load; seconds count from its first chunk."""

    start: Start
    starts_ms: Mapping[str, int]
    sent_s: float = 0.0
    read_s: float | None = None
    last_s: float = 0.0
    last_final_s: float = 0.0
    waits_ms: list[int] = field(default_factory=list)
    lag: list[tuple[float, int]] = field(default_factory=list)
    memory: list[Sample] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)

    @property
    def worked_off_s(self) -> float | None:
        """When everything had been read and answered; None as long as that is not so."""
        if self.read_s is None or len(self.ended) < len(self.starts_ms):
            return None
        return max(self.read_s, self.last_s)

    def hear(self, arrival: Arrival) -> None:
        transcript = arrival.transcript
        self.last_s = (arrival.at_ms - self.start.at_ms) / 1000
        if transcript.kind is TranscriptKind.SESSION_END:
            self.ended.add(transcript.session_id)
        elif transcript.is_final:
            self.waits_ms.append(final_wait_ms(arrival, self.starts_ms[transcript.session_id]))
            self.last_final_s = self.last_s


@dataclass(frozen=True, slots=True)
class Bench:
    """Where loads are put on."""

    stack: Stack
    kafka: KafkaSettings
    job: RunningJob

    def partials(self) -> dict[str, int]:
        """What became of partials since the job began, by the names of its metrics."""
        asked = self.job.counted("inference", (metrics.PARTIALS, *SHED))
        return asked | self.job.counted("sessions", (metrics.PARTIALS_WITHHELD,))

    def records_behind(self) -> int:
        return records_behind(self.kafka, JobSettings().group_id, self.kafka.topics.audio)

    def live(self, scripts: Sequence[Script], sessions: int) -> dict[str, Any]:
        """So many sessions speak at once, in real time."""
        played = _sessions(scripts, sessions)
        lead_ms = round(ENCODING_MS * sum(one.script.lasts_ms for one in played) / 1000)
        start = Start(wall_ms() + lead_ms, time.monotonic() + lead_ms / 1000)
        return self._loaded(played, LoadGenerator(encoded(played, start.at_ms), self.kafka, start), start)

    def backlog(self, scripts: Sequence[Script], sessions: int) -> dict[str, Any]:
        """So many sessions are there already, whole."""
        played = _sessions(scripts, sessions)
        records = encoded(played, wall_ms())
        return self._loaded(played, LoadGenerator(records, self.kafka, None), Start(wall_ms(), time.monotonic()))

    def _loaded(self, played: list[Played], generator: LoadGenerator, start: Start) -> dict[str, Any]:
        cast, before = Cast(played), self.partials()
        watched = Watched(start, starts(played, start.at_ms))
        self._listen(cast, watched, generator)
        return figures(cast, watched, generator, before, self.partials())

    def _listen(self, cast: Cast, watched: Watched, generator: LoadGenerator) -> None:
        """Until every session has ended and all is quiet, or much longer than that should take."""
        audio_s = sum(one.script.lasts_ms for one in cast.played) / 1000
        give_up_s = time.monotonic() + PATIENCE_S + audio_s
        look = every(SAMPLE_S, lambda now_s: self._look(watched, generator, now_s))
        with TranscriptReader(self.kafka, sessions=watched.starts_ms.keys(), partials=False) as reader:
            generator.start()
            while not self._is_quiet(watched) and time.monotonic() < give_up_s:
                arrived = reader.poll(POLL_S)
                cast.hear(arrived)
                for transcript in arrived:
                    watched.hear(Arrival(transcript, wall_ms()))
                look(time.monotonic())

    def _look(self, watched: Watched, generator: LoadGenerator, now_s: float) -> None:
        at_s = now_s - watched.start.monotonic_s
        watched.memory.append(sampled(self.stack, at_s))
        watched.lag.append((at_s, self.records_behind()))
        if generator.finished:
            watched.sent_s = generator.ended_s - watched.start.monotonic_s
            if watched.read_s is None and watched.lag[-1][1] == 0:
                watched.read_s = at_s
            self.partials()  # has Flink fetch them

    def _is_quiet(self, watched: Watched) -> bool:
        worked_off_s = watched.worked_off_s
        return worked_off_s is not None and time.monotonic() - watched.start.monotonic_s > worked_off_s + QUIET_S


def figures(
    cast: Cast, watched: Watched, generator: LoadGenerator, before: Mapping[str, int], after: Mapping[str, int]
) -> dict[str, Any]:
    """A load in numbers, and whether nothing was lost or changed and all of it was worked off."""
    found = sum(cast.verdicts().values(), Verdict())
    partials = {name: after[name] - before[name] for name in after}
    shed = sum(partials[name] for name in SHED)
    worked_off_s = watched.worked_off_s
    return {
        "targets_hold": found.is_clean and worked_off_s is not None,
        "sessions": len(cast.played),
        "audio_s": sum(one.script.lasts_ms for one in cast.played) / 1000,
        "finals": asdict(found),
        "partials": {
            "wanted": partials[metrics.PARTIALS] + partials[metrics.PARTIALS_WITHHELD],
            "shed": shed + partials[metrics.PARTIALS_WITHHELD],
            "by_reason": {name: partials[name] for name in (*SHED, metrics.PARTIALS_WITHHELD)},
        },
        "final_wait_ms": percentiles(watched.waits_ms) | {"most": max(watched.waits_ms, default=None)},
        "last_final_s": watched.last_final_s,
        "sent_s": round(watched.sent_s, 1),
        "worked_off_after_s": None if worked_off_s is None else round(worked_off_s - watched.sent_s, 1),
        "most_records_behind": max(behind for _, behind in watched.lag),
        "peak_mb": peaks_mb(watched.memory),
        "generator_late_ms": round(generator.late_ms),
        "records_behind": [(round(at_s, 1), behind) for at_s, behind in watched.lag],
    }


def _sessions(scripts: Sequence[Script], count: int) -> list[Played]:
    return [Played(unique_session_id("load"), scripts[number % len(scripts)]) for number in range(count)]
