"""moonshine-voice: the streaming library of the makers of the model that Voxflow uses, on the same weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perf.peers.stream import Heard, PeerStream
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm


@dataclass
class MoonshineStream:
    """One session of a transcriber that all share.

    Of the events of one call the last of each line counts; the library's ids of lines are random, their order is not.
    """

    transcriber: Any
    heard: dict[int, Heard] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stream = self.transcriber.create_stream()
        self._stream.add_listener(self._listen)
        self._stream.start()

    def feed(self, samples: Pcm) -> list[Heard]:
        self._stream.add_audio(samples.tolist(), SAMPLE_RATE_HZ)
        return self._taken()

    def finish(self) -> list[Heard]:
        self._stream.stop()
        left = self._taken()
        self._stream.close()
        return left

    def _listen(self, event: Any) -> None:
        line = event.line
        is_final = type(event).__name__ == "LineCompleted"
        if is_final or type(event).__name__ == "LineTextChanged":
            start_ms, end_ms = round(1000 * line.start_time), round(1000 * (line.start_time + line.duration))
            number = self.numbers.setdefault(line.line_id, len(self.numbers))
            self.heard[number] = Heard(number, start_ms, end_ms, is_final, line.text)

    def _taken(self) -> list[Heard]:
        taken, self.heard = list(self.heard.values()), {}
        return taken


def opener(update_s: float) -> Callable[[], PeerStream]:
    """Streams that recognise what is open every ``update_s`` seconds of audio; 0.5 is the library's own default.

    They share a transcriber: two streams with one each got through less audio (6.2 against 9.1 times real time).
    """
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber
    from moonshine_voice.utils import get_model_path

    transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY, update_interval=update_s)
    return lambda: MoonshineStream(transcriber)
