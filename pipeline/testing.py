"""Stand-ins that behave, for tests and for trying things out: a clock moved by hand, a recogniser with a script, and
the real one with faults.

``VOXFLOW_RECOGNIZER=pipeline.testing:raising_moonshine`` (or ``babbling_``, ``hanging_moonshine``) runs a job on an
engine that fails on purpose. VOXFLOW_FAULT_PERCENT of its calls do, unless set 30, or 2 of those that hang; which of
them is drawn by VOXFLOW_FAULT_SEED, 0 unless set. A call that hangs comes back after VOXFLOW_FAULT_HANG_MS, 15000
unless set. All are read by the process that runs the engine: on a cluster, by its TaskManagers.
"""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from threading import Event
from typing import Any, Final

import numpy as np

from pipeline.config import not_negative
from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm, Word
from pipeline.engines.base import MOONSHINE, EngineSettings, load_recognizer
from pipeline.errors import EngineError

SILENCE: Final = 1e-4
"""Audio whose samples all stay below this has an empty text."""


@dataclass(slots=True)
class ManualClock:
    """Milliseconds that pass only when told to."""

    now_ms: int = 0

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        self.now_ms += ms


def spell(audio: Pcm) -> Hypothesis:
    """A text that depends on every sample of the audio and on nothing else; empty for silence."""
    if not len(audio) or float(np.max(np.abs(audio))) < SILENCE:
        return Hypothesis("")
    words = (f"{len(audio) * 1000 // SAMPLE_RATE_HZ}ms", f"sum{float(np.sum(audio, dtype=np.float64)):.3f}")
    return Hypothesis(" ".join(words), tuple(Word(word, confidence=1.0) for word in words))


@dataclass
class ScriptedRecognizer(Recognizer):
    """Says what its script says about each stretch, under the same rules for batches as a real engine.

    ``script`` raises EngineError to play an engine that fails. ``batches`` has the size of every batch it was given,
    ``drafts`` its drafts.
    """

    script: Callable[[Pcm], Hypothesis] = spell
    name: str = "scripted"
    version: str = "1"
    max_samples: int = 30 * SAMPLE_RATE_HZ
    step_samples: int = SAMPLE_RATE_HZ // 2
    batches: list[int] = field(default_factory=list)
    drafts: list[Sequence[Sequence[int]]] = field(default_factory=list)

    def canonical_samples(self, samples: int) -> int:
        if samples > self.max_samples:
            raise ValueError(f"{samples} samples are more than the {self.max_samples} of {self.name}")
        return max(1, -(-samples // self.step_samples)) * self.step_samples

    def recognize(self, batch: Sequence[Pcm], drafts: Sequence[Sequence[int]] = ()) -> list[Hypothesis]:
        self.batches.append(len(batch))
        self.drafts.append(drafts)
        lengths = {self.canonical_samples(len(audio)) for audio in batch}
        if len(lengths) > 1:
            raise ValueError(f"a batch must share one canonical length, not {sorted(lengths)} samples")
        return [self.script(audio) for audio in batch]

    def warm_up(self) -> None:
        """Nothing to warm."""


def instant(settings: EngineSettings) -> ScriptedRecognizer:
    """A recogniser that costs next to nothing, so that everything around it can be measured (perf/plumbing.py)."""
    return ScriptedRecognizer(script=always, name="instant")


def always(audio: Pcm) -> Hypothesis:
    """A script: the same words whatever is said."""
    return _ALWAYS


def failing(audio: Pcm) -> Hypothesis:
    """A script: the engine is broken."""
    raise EngineError(f"scripted failure on {len(audio)} samples")


_ALWAYS: Final = Hypothesis("that is all", tuple(Word(word, confidence=1.0) for word in ("that", "is", "all")))

Fault = Callable[[Recognizer, Sequence[Pcm]], Any]
"""What a call that fails does in the place of ``recognize``."""

_calls: Final = count()
"""The calls of this process's faulty engines: one that is loaded in place of another goes on where that stopped."""

_babbled: Final = count()


@dataclass
class FaultyRecognizer(Recognizer):
    """``inner``, but for the calls, counted over ``calls``, whose number ``strikes`` picks; its warm-up is spared."""

    inner: Recognizer
    strikes: Callable[[int], bool]
    fault: Fault
    calls: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.name, self.version = self.inner.name, self.inner.version
        self.max_samples = self.inner.max_samples

    def canonical_samples(self, samples: int) -> int:
        return self.inner.canonical_samples(samples)

    def recognize(self, batch: Sequence[Pcm], drafts: Sequence[Sequence[int]] = ()) -> list[Hypothesis]:
        if self.strikes(next(self.calls)):
            answer: list[Hypothesis] = self.fault(self.inner, batch)
            return answer
        return self.inner.recognize(batch, drafts)

    def warm_up(self) -> None:
        self.inner.warm_up()


def drawn(percent: int, seed: int = 0) -> Callable[[int], bool]:
    """Picks that share of all numbers, the same ones every time."""
    return lambda number: random.Random(f"{seed}/{number}").uniform(0, 100) < percent


def raises(inner: Recognizer, batch: Sequence[Pcm]) -> Any:
    """A fault: no answer but an exception."""
    raise EngineError(f"a fault on purpose, for a batch of {len(batch)}")


def hangs(ms: int) -> Fault:
    """A fault: the right answer, when nobody may want it any more."""

    def hang(inner: Recognizer, batch: Sequence[Pcm]) -> Any:
        Event().wait(ms / 1000)
        return inner.recognize(batch)

    return hang


def babbles(inner: Recognizer, batch: Sequence[Pcm]) -> Any:
    """A fault: in turn too few texts, too many, none at all, or something else."""
    texts = inner.recognize(batch)
    return (texts[:-1], [*texts, Hypothesis("one too many")], None, [text.text for text in texts])[next(_babbled) % 4]


def raising_moonshine(settings: EngineSettings) -> FaultyRecognizer:
    return _faulty_moonshine(settings, raises, percent=30)


def hanging_moonshine(settings: EngineSettings) -> FaultyRecognizer:
    hang_ms = not_negative(os.environ, "VOXFLOW_FAULT_HANG_MS", 15_000)
    return _faulty_moonshine(settings, hangs(hang_ms), percent=2)


def babbling_moonshine(settings: EngineSettings) -> FaultyRecognizer:
    return _faulty_moonshine(settings, babbles, percent=30)


def _faulty_moonshine(settings: EngineSettings, fault: Fault, percent: int) -> FaultyRecognizer:
    percent = not_negative(os.environ, "VOXFLOW_FAULT_PERCENT", percent)
    seed = not_negative(os.environ, "VOXFLOW_FAULT_SEED", 0)
    inner = load_recognizer(replace(settings, recognizer=MOONSHINE))
    return FaultyRecognizer(inner, drawn(percent, seed), fault, _calls)
