"""The audio of one channel that is still needed: the pre-roll in silence, the open segment in speech.

Blocks as they came, with the Kafka offset of each, so that nothing is copied until a stretch is cut out for the
engine. What changed since the last look is kept as a journal: operators append to their state instead of writing
the whole segment for every chunk.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.domain.types import SAMPLES_PER_MS, Pcm16


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Consecutive audio: ``samples`` of shape (n,), int16, 16 kHz, from ``start_sample`` of the audio clock on."""

    start_sample: int
    samples: Pcm16
    offset: int

    @property
    def end_sample(self) -> int:
        return self.start_sample + len(self.samples)


@dataclass(frozen=True, slots=True)
class AudioJournal:
    """What changed: ``blocks`` to append, or, if ``replaces``, all that there is now."""

    blocks: tuple[AudioBlock, ...]
    replaces: bool


class RetainedAudio:
    """Contiguous audio from ``start_sample`` up to ``end_sample``."""

    def __init__(self, start_sample: int = 0, blocks: tuple[AudioBlock, ...] = ()) -> None:
        self._blocks = list(blocks)
        self._start_if_empty = start_sample
        self._journaled = len(self._blocks)
        self._replaced = False

    @property
    def start_sample(self) -> int:
        return self._blocks[0].start_sample if self._blocks else self._start_if_empty

    @property
    def end_sample(self) -> int:
        return self._blocks[-1].end_sample if self._blocks else self._start_if_empty

    @property
    def blocks(self) -> tuple[AudioBlock, ...]:
        return tuple(self._blocks)

    def append(self, samples: Pcm16, offset: int) -> None:
        """``samples``: shape (n,), int16."""
        if len(samples):
            self._blocks.append(AudioBlock(self.end_sample, samples, offset))

    def skip_to(self, sample: int) -> None:
        """Forget everything and go on at a later place of the clock."""
        self._blocks.clear()
        self._start_if_empty = sample
        self._replaced = True

    def forget_before(self, sample: int) -> None:
        """Let go of whole blocks that end before ``sample``, once they are at least half as much as what stays.

        Waiting makes the cost of rewriting state amortised constant; the price is half of the memory again.
        """
        kept = next((i for i, block in enumerate(self._blocks) if block.end_sample > sample), len(self._blocks))
        if kept == 0 or sample - self.start_sample < (self.end_sample - sample) // 2:
            return
        self._start_if_empty = self.end_sample
        del self._blocks[:kept]
        self._replaced = True

    def stretch(self, start_sample: int, end_sample: int) -> Pcm16:
        """Shape (end_sample - start_sample,), int16; both ends must be retained."""
        if not self.start_sample <= start_sample <= end_sample <= self.end_sample:
            raise ValueError(
                f"samples {start_sample} to {end_sample} wanted, {self.start_sample} to {self.end_sample} retained"
            )
        pieces = []
        for block in reversed(self._blocks):  # what is wanted with each chunk, its newest frames, is at the end
            if block.end_sample <= start_sample:
                break
            if block.start_sample < end_sample:
                pieces.append(
                    block.samples[max(0, start_sample - block.start_sample) : end_sample - block.start_sample]
                )
        return np.concatenate(pieces[::-1]) if pieces else np.zeros(0, np.int16)

    def offset_at(self, sample: int) -> int:
        """The Kafka offset of the chunk that brought ``sample`` (the nearest retained one)."""
        for block in self._blocks:
            if sample < block.end_sample:
                return block.offset
        return self._blocks[-1].offset if self._blocks else -1

    def journal(self) -> AudioJournal:
        """What changed since the last call."""
        changed = tuple(self._blocks if self._replaced else self._blocks[self._journaled :])
        journal = AudioJournal(changed, self._replaced)
        self._journaled, self._replaced = len(self._blocks), False
        return journal


def quietest_sample(audio: Pcm16, window_ms: int = 64) -> int:
    """The middle of the quietest window of ``audio`` (shape (n,), int16): the least harmful place to cut."""
    window = window_ms * SAMPLES_PER_MS
    hop = window // 4
    count = (len(audio) - window) // hop + 1
    if count < 1:
        return len(audio) // 2
    energy = np.concatenate(([0], np.cumsum(audio.astype(np.int64) ** 2)))
    starts = np.arange(count) * hop
    return int(starts[np.argmin(energy[starts + window] - energy[starts])]) + window // 2
