"""The process that sends the audio dies in mid-speech, and another goes on in its place."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from pipeline.client.pacing import Pace
from pipeline.client.sessions import now, wall_ms
from tests.chaos.cluster import PLAIN
from tests.chaos.listening import spoken
from tests.chaos.speech import Stream, Voice, live_sessions
from tests.chaos.stage import Outcome, Stage, outcome

RESENT_MS: Final = 1_000
"""A producer that cannot know what arrived sends this much again."""


def producer_killed(stage: Stage) -> Outcome:
    """The trial: a real process that publishes all voices, killed once."""
    expected = stage.texts
    stage.cluster.deploy(PLAIN)
    start = now()
    streams = live_sessions((voice.stream for voice in stage.voices), "producer", start.at_ms)
    kafka = stage.cluster.kafka
    with Producing(kafka.bootstrap_servers, stage.voices, streams) as producing:
        heard = spoken(kafka, (), start, Pace.FAST, producing.die, listen_to=[one[0].session_id for one in streams])
    return outcome(heard, streams, expected, heard.silence_s)


class Producing:
    """A process that speaks the streams, each from its voice's file; a context manager that leaves none behind."""

    def __init__(self, bootstrap_servers: str, voices: Sequence[Voice], streams: Sequence[Stream]) -> None:
        self._command = [sys.executable, "-m", "tests.chaos.producer", "--bootstrap-servers", bootstrap_servers]
        for voice, stream in zip(voices, streams, strict=True):
            first = stream[0]
            said = (str(voice.path), first.session_id, voice.codec.value, str(first.captured_at_ms))
            self._command += ["--session", *said]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Producing":
        self._process = subprocess.Popen(self._command)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def die(self) -> None:
        """Killed with -9; the next one sends again what may have been on its way."""
        assert self._process is not None, "it speaks within its context"
        self._process.kill()
        self._process.wait()
        self._process = subprocess.Popen([*self._command, "--from-ms", str(wall_ms() - RESENT_MS)])
