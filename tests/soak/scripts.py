"""What sessions do: a catalogue of scripts with what must be heard of each, and lives made of them.

A script's chunks are encoded once; every session that plays it gets copies of its own. What must be heard is what the
same chunks give in this process, where a session that never says goodbye is ended by hand.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import soundfile

from pipeline.adapters.audio_files import chunks_of_file
from pipeline.client.exchange import goodbye
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.domain.types import AudioChunk, Codec, Pcm16, Transcript
from tests.chaos.speech import CHUNK_MS, Stream, chunk_plan, in_session
from tests.chaos.undisturbed import Transcripts, undisturbed

SILENCE_MS: Final = 8_000
"""How long a session sends silence after its speech: several times what ends a segment."""

SHORT_CUTS_MS: Final = (7_000, 13_000, 19_000)
"""Where sessions that fall silent or vanish stop speaking: in mid-word, if need be."""

FEW_CHUNKS: Final = (1, 2, 5)
FIRST_WORDS: Final = 10
"""Number of the chunk with which sessions of a few chunks begin: within speech."""

QUIET_MS: Final = 300
"""A pause lies so far from the speech on both sides."""

STAGGER_MS: Final = 370
LONGEST_REST_MS: Final = 3_000
"""Between two sessions of one speaker."""


@dataclass(frozen=True, slots=True)
class Script:
    """``stream`` tells times from 0, ``expected`` is what must be heard. A pause of ``pause_ms``, in which nothing is
    sent, comes after ``before`` chunks. ``weight`` is how often the script is played beside others.
    """

    name: str
    stream: Stream
    expected: Transcripts
    weight: float = 1.0
    before: int = 0
    pause_ms: int = 0

    @property
    def lasts_ms(self) -> int:
        return len(self.stream) * CHUNK_MS + self.pause_ms

    def played(self, session_id: str, start_at_ms: int) -> Iterator[AudioChunk]:
        """The chunks of a session that begins at ``start_at_ms``, wall clock."""
        yield from in_session(self.stream[: self.before], session_id, start_at_ms)
        yield from in_session(self.stream[self.before :], session_id, start_at_ms + self.pause_ms)


@dataclass(frozen=True, slots=True)
class Played:
    """A session and the script it follows."""

    session_id: str
    script: Script


Begun = Callable[[Played], None]
"""Is told of each session before its first chunk."""


def catalogue(idle_ms: int, longest_ms: int | None = None) -> tuple[Script, ...]:
    """Scripts of one recording, or its first ``longest_ms``, for a job that ends sessions after ``idle_ms`` of rest.

    Who leaves and returns is away for a third longer than that: the job must still remember them by then.
    """
    whole = _stream(*_beginning(longest_ms))
    streams = {"speaks": whole}
    streams |= {f"falls-silent-{number}": _stream(*_silent_from(cut)) for number, cut in enumerate(SHORT_CUTS_MS)}
    streams |= {f"vanishes-{number}": whole[: cut // CHUNK_MS] for number, cut in enumerate(SHORT_CUTS_MS)}
    streams |= {f"says-little-{number}": _little(whole, count) for number, count in enumerate(FEW_CHUNKS)}
    heard = undisturbed(with_goodbye(stream, name) for name, stream in streams.items())
    scripts = [Script(name, stream, told) for (name, stream), told in zip(streams.items(), heard, strict=True)]
    speaks = replace(scripts[0], weight=3)
    pauses = replace(speaks, before=quiet_chunk(speaks.expected))
    return (
        speaks,
        replace(pauses, name="pauses", weight=2, pause_ms=idle_ms // 3),
        replace(pauses, name="leaves-and-returns", weight=1, pause_ms=idle_ms * 4 // 3),
        *scripts[1:],
    )


def voices(count: int, seconds: int) -> tuple[Script, ...]:
    """So many voices that speak without a pause, each from another place of the recording on."""
    samples, rate_hz = _beginning(None)
    turns = [np.roll(samples, -number * len(samples) // count) for number in range(count)]
    streams = [_stream(np.resize(turned, seconds * rate_hz), rate_hz) for turned in turns]
    heard = undisturbed(in_session(stream, f"voice-{number}", 0) for number, stream in enumerate(streams))
    return tuple(Script(f"voice-{n}", *found) for n, found in enumerate(zip(streams, heard, strict=True)))


def with_goodbye(stream: Stream, session_id: str) -> Stream:
    """The stream as a session that ends, by an empty chunk where its own have no end."""
    named = in_session(stream, session_id, 0)
    return named if named[-1].end_of_stream else (*named, goodbye(named[-1]))


def quiet_chunk(expected: Iterable[Transcript]) -> int:
    """The chunk before which nobody speaks: in the longest silence between two segments."""
    finals = [one for one in expected if one.is_final]
    silence_ms, speech_at_ms = max((later.start_ms - one.end_ms, later.start_ms) for one, later in pairwise(finals))
    assert silence_ms > 2 * QUIET_MS, f"no silence between segments is longer than {silence_ms} ms"
    return (speech_at_ms - QUIET_MS) // CHUNK_MS


def every_script(scripts: Sequence[Script], start_at_ms: int, begun: Begun) -> list[Iterator[AudioChunk]]:
    """Each script once, all begun one after another within a few seconds."""
    sessions = [Played(f"{script.name}-{start_at_ms}", script) for script in scripts]
    for session in sessions:
        begun(session)
    return [one.script.played(one.session_id, start_at_ms + number * STAGGER_MS) for number, one in enumerate(sessions)]


def life(
    speaker: int, seed: int, scripts: Sequence[Script], start_at_ms: int, until_ms: int, begun: Begun
) -> Iterator[AudioChunk]:
    """One session after another, chosen by chance, none begun after ``until_ms`` (both wall clock)."""
    chance = random.Random(f"{seed}/{speaker}")
    at_ms = start_at_ms + chance.randrange(LONGEST_REST_MS)
    number = 0
    while at_ms < until_ms:
        (script,) = chance.choices(scripts, [one.weight for one in scripts])
        played = Played(f"{script.name}-{start_at_ms}-{speaker}-{number}", script)
        begun(played)
        yield from script.played(played.session_id, at_ms)
        at_ms += script.lasts_ms + chance.randrange(LONGEST_REST_MS)
        number += 1


def _beginning(longest_ms: int | None) -> tuple[Pcm16, int]:
    """The samples, shape (samples,), and their rate in hertz; all of them where ``longest_ms`` is None."""
    samples, rate_hz = soundfile.read(recording(TWO_CITIES), dtype="int16")
    return samples if longest_ms is None else samples[: longest_ms * rate_hz // 1000], rate_hz


def _silent_from(cut_ms: int) -> tuple[Pcm16, int]:
    """The beginning, and silence after it."""
    speech, rate_hz = _beginning(cut_ms)
    return np.concatenate((speech, np.zeros(SILENCE_MS * rate_hz // 1000, np.int16))), rate_hz


def _stream(samples: Pcm16, rate_hz: int) -> Stream:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "script.wav"
        soundfile.write(path, samples, rate_hz)
        return tuple(chunks_of_file(path, "", chunk_plan(Codec.OPUS), 0))


def _little(whole: Stream, count: int) -> Stream:
    """Some chunks from the midst of it as all that a session sends."""
    return tuple(
        replace(one, seq=seq, captured_at_ms=seq * CHUNK_MS)
        for seq, one in enumerate(whole[FIRST_WORDS : FIRST_WORDS + count])
    )
