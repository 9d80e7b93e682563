"""Silero's speech detector on plain onnxruntime.

A call takes all frames at hand together; their probabilities are the same, bit for bit, however they are grouped
(tests/engines/test_silero.py). Digital silence that goes on is not given to the network: its state has settled by then
(docs/scaling.md), and stays as it is until something can be heard. Cost of a 32 ms frame on one core and figures for
the other shipped variants: docs/engine.md.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Final, cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.domain.ports import DetectorFactory, Plain, SpeechDetector
from pipeline.domain.types import Pcm16
from pipeline.engines.base import EngineSettings, make_session
from pipeline.engines.catalog import SILERO, locate
from pipeline.engines.silero_graph import CELLS, FRAME_WITH_CONTEXT, detector_graph

FRAME_SAMPLES: Final = 512
CONTEXT_SAMPLES: Final = FRAME_WITH_CONTEXT - FRAME_SAMPLES
STATE_SHAPE: Final = (2, 1, CELLS)

SILENCE: Final = 3
"""Samples no larger than this are digital silence, dither and codec's rest included: below 0.0001 of full scale, at
which the engine, too, takes a stretch for empty (``pipeline/engines/guard.py``).
"""

SETTLING_FRAMES: Final = 10
"""So many silent frames the network still hears, 320 ms: as long as silence may take to end a segment."""

_FULL_SCALE: Final = np.float32(1 / 32768)
_OUTPUTS: Final = ("probability", "next_state")


class SileroDetector(SpeechDetector):
    """One channel's detector: the session is shared, the recurrent state and the last 64 samples are its own."""

    frame_samples = FRAME_SAMPLES

    def __init__(self, session: ort.InferenceSession, snapshot: Mapping[str, Plain] | None = None) -> None:
        self._session = session
        self._input = np.zeros((1, FRAME_WITH_CONTEXT), np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._state = np.zeros(STATE_SHAPE, np.float32)
        self._silent_frames = 0
        if snapshot is not None:
            self._context[:] = _floats(snapshot, "context")
            self._state[:] = _floats(snapshot, "state").reshape(STATE_SHAPE)
            self._silent_frames = cast(int, snapshot.get("silent_frames", 0))  # none in the first releases

    def probabilities(self, frames: Pcm16) -> list[float]:
        """Raises ValueError where a frame has another length than 512 samples."""
        found: list[float] = []
        for settled, run in groupby(self._silences(frames), lambda silence: silence > SETTLING_FRAMES):
            count, at = len(list(run)), len(found)
            found += self._skipped(frames[at : at + count]) if settled else self._judged(frames[at : at + count])
        return found

    def snapshot(self) -> dict[str, Plain]:
        """1280 bytes, the recurrent state and the context, float32; and for how many frames there was silence."""
        return {
            "state": self._state.tobytes(),
            "context": self._context.tobytes(),
            "silent_frames": self._silent_frames,
        }

    def _silences(self, frames: Pcm16) -> list[int]:
        """How many frames without a break have been silent at each of the frames, itself included."""
        silences = []
        for silent in _are_silent(frames):
            self._silent_frames = min(self._silent_frames + 1, SETTLING_FRAMES + 1) if silent else 0
            silences.append(self._silent_frames)
        return silences

    def _skipped(self, frames: Pcm16) -> list[float]:
        self._context[:] = frames[-1, -CONTEXT_SAMPLES:] * _FULL_SCALE
        return [0.0] * len(frames)

    def _judged(self, frames: Pcm16) -> list[float]:
        feed = {"frames": self._with_context(frames), "state": self._state}
        probabilities, self._state = self._session.run(_OUTPUTS, feed)
        found: list[float] = probabilities.tolist()
        return found

    def _with_context(self, frames: Pcm16) -> NDArray[np.float32]:
        """The frames in [-1, 1], each after the 64 samples before it: (n, 576)."""
        if len(self._input) != len(frames):
            self._input = np.empty((len(frames), FRAME_WITH_CONTEXT), np.float32)
        rows = self._input
        np.multiply(frames, _FULL_SCALE, out=rows[:, CONTEXT_SAMPLES:])
        rows[0, :CONTEXT_SAMPLES] = self._context
        rows[1:, :CONTEXT_SAMPLES] = rows[:-1, FRAME_SAMPLES:]
        self._context[:] = rows[-1, FRAME_SAMPLES:]
        return rows


class SileroFactory(DetectorFactory):
    """Makes detectors over one session."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session

    @classmethod
    def load(cls, settings: EngineSettings) -> "SileroFactory":
        """Always on the CPU: the network is too small for the way to another device. Raises ModelMissing."""
        graph = detector_graph(locate(SILERO)["silero_vad_16k_op15.onnx"])
        return cls(make_session(graph, EngineSettings(threads=settings.threads)))

    def __call__(self, snapshot: dict[str, Plain] | None = None) -> SileroDetector:
        return SileroDetector(self._session, snapshot)


def _are_silent(frames: Pcm16) -> list[bool]:
    if not len(frames):
        return []
    silent: list[bool] = ((frames.max(axis=1) <= SILENCE) & (frames.min(axis=1) >= -SILENCE)).tolist()
    return silent


def _floats(snapshot: Mapping[str, Plain], name: str) -> NDArray[np.float32]:
    value = snapshot[name]
    if not isinstance(value, bytes):
        raise ValueError(f"a detector's snapshot holds bytes at {name!r}, not {type(value).__name__}")
    return np.frombuffer(value, np.float32)
