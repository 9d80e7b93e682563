"""Final texts as files that players and people read: SubRip (srt), WebVTT (vtt) and plain text.

Sources: SubRip has no specification, but all players read blocks of number, times and text, with a comma before the
milliseconds; WebVTT: W3C, "WebVTT: The Web Video Text Tracks Format", chapter 4 (structure, escapes).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SHORTEST_CUE_MS: Final = 1
"""Players skip a cue that ends when it starts."""

_VTT_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is spoken, in milliseconds from the recording's start; a lone ``speaker`` needs no name."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str = ""


def srt(cues: Iterable[Cue]) -> str:
    """SubRip: the most widely read, without any markup but the text."""
    blocks = [
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(_end_ms(cue), ',')}\n{_named(cue, _one_line(cue.text))}\n"
        for number, cue in enumerate(_spoken(cues), start=1)
    ]
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT: what browsers show in a <track>; a speaker is a voice span."""
    blocks = [f"{_clock(cue.start_ms, '.')} --> {_clock(_end_ms(cue), '.')}\n{_voiced(cue)}\n" for cue in _spoken(cues)]
    return "\n".join(["WEBVTT\n", *blocks])


def txt(cues: Iterable[Cue]) -> str:
    """A line each, nothing but what was said."""
    return "".join(f"{_named(cue, _one_line(cue.text))}\n" for cue in _spoken(cues))


def _spoken(cues: Iterable[Cue]) -> Sequence[Cue]:
    """In the order of speech, without those in which nothing was said."""
    return sorted((cue for cue in cues if cue.text.strip()), key=lambda cue: (cue.start_ms, cue.end_ms, cue.speaker))


def _end_ms(cue: Cue) -> int:
    return max(cue.end_ms, cue.start_ms + SHORTEST_CUE_MS)


def _clock(at_ms: int, point: str) -> str:
    """``01:02:03,456``; hours take more digits where there are a hundred of them."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{ms:03d}"


def _one_line(text: str) -> str:
    """An empty line would end the cue, in either format."""
    return " ".join(text.split())


def _named(cue: Cue, text: str) -> str:
    return f"{_one_line(cue.speaker)}: {text}" if cue.speaker else text


def _voiced(cue: Cue) -> str:
    text = _one_line(cue.text).translate(_VTT_ESCAPES)
    return f"<v {_one_line(cue.speaker).translate(_VTT_ESCAPES)}>{text}</v>" if cue.speaker else text
