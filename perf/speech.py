"""What live sessions say: recordings with their references, others for each voice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from perf.signals import pink_noise
from perf.wer import Spoken, recordings
from pipeline.adapters.audio_files import pcm_blocks
from pipeline.cli.demo import REFERENCE
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.codecs.encoders import make_encoder
from pipeline.domain.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Codec, Pcm16

SEED: Final = 1
ROOM_DB: Final = -60.0
"""Between two people's words there is the noise of a room, not digital silence, which would be cheaper to listen to."""

CONTINUOUS: Final = 0.95
"""The share of speech where nobody pauses: after each recording, of another speaker than the next, is a breath."""

TAIL_MS: Final = 1_000
"""Every voice ends in so much of it, so that its last words end by silence."""

Packets = tuple[bytes, ...]
"""Those of one chunk."""


@dataclass(frozen=True)
class Voice:
    """``audio`` and which of the corpus's recordings are in it, in order."""

    number: int
    audio: Pcm16
    said: tuple[int, ...]
    encoded: dict[int, list[Packets]] = field(default_factory=dict, repr=False)
    """Chunk length in milliseconds to the chunks, once they were asked for."""

    @property
    def lasts_ms(self) -> int:
        return len(self.audio) // SAMPLES_PER_MS

    def chunks(self, chunk_ms: int) -> list[Packets]:
        """As Opus packets, those of ``chunk_ms`` together; what is left at the end is dropped."""
        if chunk_ms not in self.encoded:
            self.encoded[chunk_ms] = self._encoded(chunk_ms)
        return self.encoded[chunk_ms]

    def _encoded(self, chunk_ms: int) -> list[Packets]:
        encoder = make_encoder(Codec.OPUS, SAMPLE_RATE_HZ, 1)
        step = chunk_ms * SAMPLES_PER_MS
        whole = len(self.audio) - len(self.audio) % step
        return [tuple(encoder.encode(self.audio[None, at : at + step])) for at in range(0, whole, step)]


@dataclass(frozen=True)
class Corpus:
    """Recordings, and what is said in each."""

    name: str
    spoken: tuple[Spoken, ...]

    @classmethod
    def found_in(cls, folder: Path) -> "Corpus":
        """The folder's recordings, or where it has no manifest, the 44 s that come with the speech model."""
        if (folder / "manifest.jsonl").exists():
            return cls(folder.name, tuple(recordings(folder)))
        text = REFERENCE.read_text()
        return cls(TWO_CITIES, (Spoken(recording(TWO_CITIES), text),))

    @cached_property
    def audio(self) -> tuple[Pcm16, ...]:
        """Each recording's first channel: shape (samples,), dtype int16, 16 kHz."""
        return tuple(
            np.concatenate([block[0] for block in pcm_blocks(one.path, SAMPLE_RATE_HZ, 1000)]) for one in self.spoken
        )

    def voice(self, number: int, seconds: float, share: float) -> Voice:
        """About ``seconds`` of whole recordings, with pauses after each, so that ``share`` of all is recordings.

        Each voice goes on in the recordings where the one before it ended, so that a few say nearly all of them.
        """
        lengths_ms = [round(len(audio) / SAMPLES_PER_MS / share) for audio in self.audio]
        order = np.random.default_rng(SEED).permutation(len(self.spoken))
        each = max(1, round(seconds * 1000 * len(order) / sum(lengths_ms)))
        said = fitting(lengths_ms, np.roll(order, -number * each).tolist(), round(seconds * 1000))
        pieces = [piece for one in said for piece in (self.audio[one], _pause(len(self.audio[one]), share))]
        return Voice(number, np.concatenate([*pieces, room(TAIL_MS * SAMPLES_PER_MS)]), said)

    def reference(self, voice: Voice) -> str:
        return " ".join(self.spoken[one].reference for one in voice.said)


def fitting(lengths_ms: Sequence[int], order: Sequence[int], limit_ms: int) -> tuple[int, ...]:
    """As many as fit into the limit, taken in that order, those too long for what is left passed over; one at least."""
    chosen: list[int] = []
    left_ms = limit_ms
    for one in order:
        if lengths_ms[one] <= left_ms:
            chosen.append(one)
            left_ms -= lengths_ms[one]
    return tuple(chosen or order[:1])


def room(samples: int) -> Pcm16:
    """So much of the noise of a quiet room: shape (samples,)."""
    return pink_noise(samples / SAMPLE_RATE_HZ, ROOM_DB) if samples else np.zeros(0, np.int16)


def _pause(samples: int, share: float) -> Pcm16:
    return room(round(samples / share) - samples)
