"""What captions show at any moment, as values: settled finals are printed once, open partials are drawn again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.domain.types import Transcript, TranscriptKind

Voice = tuple[str, int]
"""Session and channel: each has one segment open at a time."""


@dataclass(frozen=True, slots=True)
class Captions:
    """The partials on screen, the last settled segment of each voice, and the sessions that are over."""

    partials: Mapping[Voice, Transcript] = field(default_factory=dict)
    settled: Mapping[Voice, int] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()


def updated(captions: Captions, transcript: Transcript) -> Captions:
    """The captions after a transcript. Partials that come late, after their final or a newer one, change nothing."""
    match transcript.kind:
        case TranscriptKind.PARTIAL:
            return _with_partial(captions, transcript)
        case TranscriptKind.FINAL:
            return _with_final(captions, transcript)
        case TranscriptKind.SESSION_END:
            return _without_session(captions, transcript.session_id)


def caption_text(transcript: Transcript) -> Text:
    """What will not change any more in the normal style, the tail that may in a dim one."""
    stable, tail = transcript.text[: transcript.stable_chars], transcript.text[transcript.stable_chars :]
    return Text.assemble(stable, (tail, "dim italic"))


def captions_view(captions: Captions, names: Mapping[str, str], max_lines: int) -> RenderableType:
    """The open partials, oldest session first, as many as fit, and how far the sessions are."""
    voices = sorted(captions.partials)
    shown = [_labelled(captions.partials[voice], names) for voice in voices[: max(max_lines - 1, 1)]]
    return Group(*shown, Text(_progress(captions, len(names), len(voices) - len(shown)), style="dim"))


def final_line(transcript: Transcript, names: Mapping[str, str]) -> str:
    """``0:12.3  text``, after the session's name where there are several, and the channel where it is not 0."""
    text = transcript.text if transcript.error is None else f"[not recognised: {transcript.error}]"
    return "  ".join((*_labels(transcript, names), clock(transcript.start_ms), text))


def clock(audio_ms: int) -> str:
    """Milliseconds on the audio clock as minutes, seconds and tenths."""
    tenths = audio_ms // 100
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _with_partial(captions: Captions, partial: Transcript) -> Captions:
    voice = (partial.session_id, partial.channel)
    shown = captions.partials.get(voice)
    is_late = partial.segment <= captions.settled.get(voice, -1) or partial.session_id in captions.ended
    if is_late or (shown is not None and _age(partial) < _age(shown)):
        return captions
    return replace(captions, partials={**captions.partials, voice: partial})


def _with_final(captions: Captions, final: Transcript) -> Captions:
    voice = (final.session_id, final.channel)
    settled = max(final.segment, captions.settled.get(voice, -1))
    partials = {key: one for key, one in captions.partials.items() if key != voice or one.segment > settled}
    return replace(captions, partials=partials, settled={**captions.settled, voice: settled})


def _without_session(captions: Captions, session_id: str) -> Captions:
    return Captions(
        partials={voice: one for voice, one in captions.partials.items() if voice[0] != session_id},
        settled={voice: segment for voice, segment in captions.settled.items() if voice[0] != session_id},
        ended=captions.ended | {session_id},
    )


def _age(transcript: Transcript) -> tuple[int, int]:
    return transcript.segment, transcript.revision


def _labelled(transcript: Transcript, names: Mapping[str, str]) -> Text:
    labels = "".join(f"{label}  " for label in _labels(transcript, names))
    return Text.assemble((labels, "cyan"), caption_text(transcript))


def _labels(transcript: Transcript, names: Mapping[str, str]) -> list[str]:
    name = [] if len(names) == 1 else [names.get(transcript.session_id, transcript.session_id)]
    return name + ([f"channel {transcript.channel}"] if transcript.channel else [])


def _progress(captions: Captions, sessions: int, hidden: int) -> str:
    more = f"{hidden} more speaking, " if hidden > 0 else ""
    return f"{more}{len(captions.ended)} of {sessions} sessions done" if sessions > 1 else f"{more}listening"
