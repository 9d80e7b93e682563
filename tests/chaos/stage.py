"""Where a fault is tried: voices speak into the cluster, and what is heard is compared with what should have been."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from pipeline.client.pacing import Pace
from pipeline.client.sessions import now
from tests.chaos.cluster import PLAIN, Cluster, Deployment
from tests.chaos.listening import Heard, Strike, spoken
from tests.chaos.speech import Stream, Voice, live_sessions, voices
from tests.chaos.streams import audio_ms
from tests.chaos.undisturbed import Transcripts, undisturbed
from tests.chaos.verdict import Verdict, heard_ms, verdict

RESAMPLER_MS: Final = 10
"""At its end a session may leave so much in its resampler, disturbed or not."""

Change = Callable[[Stream], Stream]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did; ``silence_s`` is None where nobody listened in real time."""

    sessions: int
    verdict: Verdict
    silence_s: float | None = None
    note: str | None = None
    problem: str | None = None

    def but(self, note: str, problem: str | None) -> Self:
        """The same, with a note, and another problem where there was none yet."""
        return replace(self, note=note, problem=self.problem or problem)


class Stage:
    """A cluster, and voices that are the same for every fault."""

    def __init__(self, cluster: Cluster, sessions: int, seconds: int, folder: Path) -> None:
        self.cluster = cluster
        self.sessions = sessions
        self._seconds = seconds
        self._folder = folder

    @cached_property
    def voices(self) -> tuple[Voice, ...]:
        return voices(self.sessions, self._seconds, self._folder)

    @cached_property
    def texts(self) -> tuple[Transcripts, ...]:
        """What each voice says, undisturbed."""
        return undisturbed(voice.stream for voice in self.voices)

    def speak(self, name: str, strike: Strike | None = None, deployment: Deployment = PLAIN) -> Outcome:
        """Everybody speaks in real time, and is struck."""
        expected = self.texts
        self.cluster.deploy(deployment)
        start = now()
        streams = live_sessions((voice.stream for voice in self.voices), name, start.at_ms)
        heard = spoken(self.cluster.kafka, streams, start, Pace.REALTIME, strike)
        return outcome(heard, streams, expected, heard.silence_s)

    def send(self, name: str, change: Change, holes: bool = False) -> Outcome:
        """Everybody's chunks are sent as fast as they can go, changed on their way; ``holes`` change the text."""
        changed = [change(voice.stream) for voice in self.voices]
        expected = undisturbed(changed) if holes else self.texts
        self.cluster.deploy(PLAIN)
        start = now()
        streams = live_sessions(changed, name, start.at_ms)
        return outcome(spoken(self.cluster.kafka, streams, start, Pace.FAST), streams, expected)


def outcome(
    heard: Heard, streams: Sequence[Stream], expected: Iterable[Transcripts], silence_s: float | None = None
) -> Outcome:
    """The streams were sessions whose transcripts should have been those expected, one after the other."""
    verdicts = (
        verdict(transcripts, heard.records[stream[0].session_id], hearable_ms(stream, transcripts))
        for stream, transcripts in zip(streams, expected, strict=True)
    )
    return Outcome(len(streams), sum(verdicts, Verdict()), silence_s, problem=heard.problem)


def hearable_ms(stream: Stream, expected: Transcripts) -> int:
    """The audio of the chunks that were sent, less what an undisturbed session leaves in its resampler."""
    sent_ms, heard_undisturbed_ms = audio_ms(stream), heard_ms(expected)
    return heard_undisturbed_ms if 0 <= sent_ms - heard_undisturbed_ms <= RESAMPLER_MS else sent_ms
