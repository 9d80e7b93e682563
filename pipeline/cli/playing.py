"""The options that say how files are played, shared by the commands that send audio."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from pipeline.adapters.audio_files import ChunkPlan, inspect_audio
from pipeline.client.pacing import Pace
from pipeline.client.sessions import Playback, file_sessions
from pipeline.codecs.validate import MAX_DURATION_MS, MIN_DURATION_MS
from pipeline.domain.types import Codec

Command = TypeVar("Command", bound=Callable[..., Any])

CODECS: Final = {
    "opus": Codec.OPUS,
    "pcm": Codec.PCM_S16LE,
    "mulaw": Codec.MULAW,
    "alaw": Codec.ALAW,
    "flac": Codec.FLAC,
}

_OPTIONS: Final = (
    click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."),
    click.option(
        "--pace",
        type=click.Choice([pace.value for pace in Pace]),
        default=Pace.REALTIME.value,
        show_default=True,
        help="realtime sends like a microphone, fast as quickly as Kafka takes it.",
    ),
    click.option(
        "--codec",
        type=click.Choice(list(CODECS)),
        default="opus",
        show_default=True,
        help="How the audio travels. Other sample rates are converted for opus, mulaw and alaw.",
    ),
    click.option(
        "--chunk-ms",
        type=click.IntRange(MIN_DURATION_MS, MAX_DURATION_MS),
        default=100,
        show_default=True,
        help="Audio in one chunk, in milliseconds: a multiple of 20.",
    ),
    click.option("--language", metavar="TAG", help="Language spoken, such as en; left to the engine if not given."),
    click.option("--tenant", default="default", show_default=True, help="Whose sessions these are."),
    click.option(
        "--session-id", metavar="ID", help="Id of the session (one file only). Default: the file's name and a suffix."
    ),
)


def playing_options(command: Command) -> Command:
    """Adds FILE... and the options above; ``playback`` takes them as they come."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def playback(
    files: tuple[Path, ...],
    pace: str,
    codec: str,
    chunk_ms: int,
    language: str | None,
    tenant: str,
    session_id: str | None,
) -> Playback:
    """The files as sessions to play. Raises AudioFileError for the first that is no audio, and click.UsageError."""
    for path in files:
        inspect_audio(path)
    try:
        plan = ChunkPlan(CODECS[codec], chunk_ms, tenant, language)
        return Playback(file_sessions(files, session_id), plan, Pace(pace))
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
