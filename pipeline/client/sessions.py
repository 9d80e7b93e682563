"""Files played as live sessions: which session each file becomes, and their chunks, paced together."""

import re
import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.adapters.audio_files import ChunkPlan, chunks_of_file
from pipeline.client.latency import Arrival
from pipeline.client.pacing import Pace, Start, merged, paced
from pipeline.domain.types import AudioChunk, Transcript

_MAX_STEM_CHARS: Final = 200
"""Session ids have at most 256 characters; the rest is for the suffix."""


@dataclass(frozen=True, slots=True)
class FileSession:
    """One file and the session it is played as."""

    path: Path
    session_id: str


@dataclass(frozen=True, slots=True)
class Playback:
    """Files to be played at once, each as a session of its own."""

    sessions: tuple[FileSession, ...]
    plan: ChunkPlan
    pace: Pace

    @property
    def session_ids(self) -> tuple[str, ...]:
        return tuple(session.session_id for session in self.sessions)

    @property
    def names(self) -> dict[str, str]:
        """Session id to the file's name, for people."""
        return {session.session_id: session.path.name for session in self.sessions}

    @property
    def paths(self) -> dict[str, str]:
        """Session id to the file as it was given, for programs."""
        return {session.session_id: str(session.path) for session in self.sessions}

    def chunks(self, start: Start) -> Iterator[AudioChunk]:
        """All sessions' chunks from one scheduler loop, as due. Raises AudioFileError when a file's turn comes."""
        sources = [chunks_of_file(one.path, one.session_id, self.plan, start.at_ms) for one in self.sessions]
        everything = merged(sources)
        if self.pace is Pace.FAST:
            return everything
        return paced(everything, start, self.plan.chunk_ms, time.monotonic, time.sleep)


def file_sessions(paths: Sequence[Path], session_id: str | None = None) -> tuple[FileSession, ...]:
    """A session a file, named after it; ``session_id`` names the only one. Raises ValueError for several."""
    if session_id is None:
        return tuple(FileSession(path, unique_session_id(path.stem)) for path in paths)
    if len(paths) != 1:
        raise ValueError(f"one session id cannot name {len(paths)} files: leave it out, or give one file")
    return (FileSession(paths[0], session_id),)


def unique_session_id(stem: str) -> str:
    """Readable and never used before: the file's stem and six random hexadecimal digits."""
    readable = re.sub(r"[^\w.-]+", "-", stem)[:_MAX_STEM_CHARS].strip("-")
    return f"{readable or 'session'}-{secrets.token_hex(3)}"


def now() -> Start:
    """This moment on both clocks."""
    return Start(at_ms=wall_ms(), monotonic_s=time.monotonic())


def wall_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def arriving(transcripts: Generator[Transcript, None, None]) -> Generator[Arrival, None, None]:
    """The transcripts, each stamped with the time at which it came; closing it closes them."""
    with closing(transcripts):
        for transcript in transcripts:
            yield Arrival(transcript, wall_ms())
