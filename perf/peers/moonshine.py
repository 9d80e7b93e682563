"""moonshine-voice: the streaming library of the makers of the model that Voxflow uses, on the same weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perf.peers.stream import Heard, PeerStream
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm


@dataclass
class MoonshineStream:
    """A transcriber of its own for each session, so that none waits for a lock of another's.

    Of the events of one call the last of each line counts; the library's ids of lines are random, their order is not.
    """

    update_s: float
    heard: dict[int, Heard] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from moonshine_voice.moonshine_api import ModelArch
        from moonshine_voice.transcriber import Transcriber
        from moonshine_voice.utils import get_model_path

        self._transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY, update_interval=self.update_s)
        self._stream = self._transcriber.create_stream()
        self._stream.add_listener(self._listen)
        self._stream.start()

    def feed(self, samples: Pcm) -> list[Heard]:
        self._stream.add_audio(samples.tolist(), SAMPLE_RATE_HZ)
        return self._taken()

    def finish(self) -> list[Heard]:
        self._stream.stop()
        left = self._taken()
        self._stream.close()
        self._transcriber.close()
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
    """Streams that recognise what is open every ``update_s`` seconds of audio; 0.5 is the library's own default."""
    return lambda: MoonshineStream(update_s)
