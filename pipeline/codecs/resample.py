"""Streaming conversion to 16 kHz, exact to the bit: on every machine, for every way of cutting the stream.

A session must go on after a crash with exactly the samples of an undisturbed run. soxr's stream cannot do that without
tricks: its state lies in native memory, and its quick settings hold up to 61 ms of audio back, its good ones up to 118
(soxr 1.1.0, 100 ms pieces). So this is a polyphase filter (Crochiere and Rabiner, Multirate Digital Signal Processing,
1983, section 3.3), a windowed sinc whose only state is the 10 ms of input under the filter:

    output k stands at input position t = k * down / up      up / down = 16000 / sample rate, reduced
    y[k] = sum over n of x[n] * h(t - n)                     h spans HALF_WIDTH_MS on either side

The coefficients are integers and so are the samples. Their sums stay below 2**53, so float64 adds them without
rounding, and the result does not depend on the order in which a BLAS, with whatever vector unit, adds them up.

Outputs are made in groups of 16 (1 ms), each by one matrix product. Groups are emitted as soon as their input is
there, so the delay is HALF_WIDTH_MS and at most a millisecond; output k always stands at k / 16000 s.
"""

from dataclasses import dataclass
from functools import cache
from math import gcd
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.domain.ports import Plain
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm16

GROUP: Final = 16
"""Outputs made together: one millisecond, so that a gap of whole milliseconds is a whole number of groups."""

HALF_WIDTH_MS: Final = 5
"""The filter's reach on either side, and so its delay."""

KAISER_BETA: Final = 6.755
"""A stop band of 70 dB (Kaiser's formula: 0.1102 * (70 - 8.7)): below the noise of any microphone in a room."""

TRANSITION_HZ: Final = 430
"""Where the filter falls: the last 430 Hz below the lower Nyquist frequency, by Kaiser's formula for this width."""

COEFFICIENT_BITS: Final = 20

SINGLE_THREAD_PRODUCTS: Final = 250_000
"""Multiplications in one matrix product. From 2**18 on OpenBLAS wakes other threads, which spin for longer than they
help: 100 ms at 48 kHz then took 680 us of processor time instead of 110 (2 cores)."""

Coefficients = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the conversion from one rate needs, worked out once.

    ``matrices``: shape (phases, width, GROUP), whole numbers. Group g uses the matrix of phase g % phases, on the
    ``width`` input samples from ``starts[phase]`` past the beginning of its period; a period is ``starts[-1]`` long.
    ``lead``: zeros that stand before the first sample.
    """

    matrices: Coefficients
    starts: tuple[int, ...]
    width: int
    lead: int

    @property
    def phases(self) -> int:
        return len(self.matrices)

    def advance(self, phase: int, groups: int) -> int:
        """Input samples from the start of the group at ``phase`` to the start of the one ``groups`` later."""
        periods, rest = divmod(phase + groups, self.phases)
        return periods * self.starts[-1] + self.starts[rest] - self.starts[phase]

    def ready(self, phase: int, samples: int) -> int:
        """Groups that can be made from ``samples`` of input, the first one at ``phase``."""
        if samples < self.width:
            return 0
        periods = (samples - self.width) // self.starts[-1]
        groups = periods * self.phases
        while self.advance(phase, groups) + self.width <= samples:
            groups += 1
        return groups


@cache
def plan(sample_rate_hz: int) -> Plan:
    """The filter for one input rate, and where its groups lie."""
    common = gcd(SAMPLE_RATE_HZ, sample_rate_hz)
    up, down = SAMPLE_RATE_HZ // common, sample_rate_hz // common
    half = round(HALF_WIDTH_MS * sample_rate_hz / 1000)
    phases = up // gcd(up, GROUP)
    starts = tuple(group * GROUP * down // up for group in range(phases + 1))
    width = (GROUP - 1) * down // up + 1 + 2 * half
    matrices = np.stack([_matrix(sample_rate_hz, up, down, half, width, phase) for phase in range(phases)])
    return Plan(matrices, starts, width, lead=half - 1)


def _matrix(rate_hz: int, up: int, down: int, half: int, width: int, phase: int) -> Coefficients:
    """Shape (width, GROUP): column i weighs the window's samples for the group's output i."""
    matrix = np.zeros((width, GROUP))
    first = phase * GROUP * down // up
    for column in range(GROUP):
        whole, part = divmod((phase * GROUP + column) * down, up)
        row = whole - first
        matrix[row : row + 2 * half, column] = _taps(rate_hz, half, part / up)
    return matrix


def _taps(rate_hz: int, half: int, part: float) -> Coefficients:
    """Shape (2 * half,): the filter's weights, scaled to integers, for an output ``part`` of a sample past an input."""
    distance = np.arange(-half + 1, half + 1) - part
    cutoff = (min(rate_hz, SAMPLE_RATE_HZ) - TRANSITION_HZ) / rate_hz
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, 1)))
    weights = np.sinc(cutoff * distance) * window
    taps = np.rint(weights * 2**COEFFICIENT_BITS / weights.sum())
    # Rounding must not change the volume from phase to phase: that would be a tone.
    taps[np.argmax(taps)] += 2**COEFFICIENT_BITS - taps.sum()
    return cast(Coefficients, taps)


class Resampler:
    """Converts one stream to 16 kHz. Its state is the input still needed (about 10 ms) and a phase."""

    def __init__(self, sample_rate_hz: int, channels: int, snapshot: dict[str, Plain] | None = None) -> None:
        self._plan = plan(sample_rate_hz)
        self._phase = 0
        self._tail = np.zeros((channels, self._plan.lead), np.int16)
        if snapshot is not None:
            self._phase = cast(int, snapshot["phase"])
            self._tail = np.frombuffer(cast(bytes, snapshot["tail"]), "<i2").reshape(channels, -1)

    def feed(self, pcm: Pcm16) -> Pcm16:
        """All output that is complete. ``pcm`` and result: shape (channels, samples), dtype int16."""
        audio = np.concatenate([self._tail, pcm], axis=1)
        groups = self._plan.ready(self._phase, audio.shape[1])
        out = _convert(self._plan, self._phase, groups, audio)
        # A copy, so that a session at rest does not hold on to its whole last chunk.
        self._tail = audio[:, self._plan.advance(self._phase, groups) :].copy()
        self._phase = (self._phase + groups) % self._plan.phases
        return out

    def skip(self, duration_ms: int) -> Pcm16:
        """Feed silence for so long: shape (channels, duration_ms * 16), from the end of the audio before it."""
        silence = self._plan.advance(self._phase, duration_ms)
        return self.feed(np.zeros((len(self._tail), silence), np.int16))

    def snapshot(self) -> dict[str, Plain]:
        return {"phase": self._phase, "tail": self._tail.astype("<i2", copy=False).tobytes()}


def _convert(plan: Plan, phase: int, groups: int, audio: Pcm16) -> Pcm16:
    """Make ``groups`` groups, the first one at ``phase`` from the first sample of ``audio``."""
    channels = len(audio)
    exact = audio.astype(np.float64)
    sums = np.empty((channels, groups, GROUP))
    for first in range(min(plan.phases, groups)):
        # Groups of equal phase share a matrix and lie one period apart.
        rows = -(-(groups - first) // plan.phases)
        start = plan.advance(phase, first)
        windows = np.lib.stride_tricks.as_strided(
            exact[:, start:],
            (channels, rows, plan.width),
            (exact.strides[0], plan.starts[-1] * exact.itemsize, exact.itemsize),
            writeable=False,
        )
        _multiply(windows, plan.matrices[(phase + first) % plan.phases], sums[:, first :: plan.phases])
    return _rounded(sums).reshape(channels, groups * GROUP)


def _multiply(windows: Coefficients, matrix: Coefficients, out: NDArray[np.float64]) -> None:
    """Shapes (channels, rows, width), (width, GROUP) and (channels, rows, GROUP)."""
    step = max(1, SINGLE_THREAD_PRODUCTS // matrix.size)
    for row in range(0, windows.shape[1], step):
        # Windows that overlap are no matrix to a BLAS: without the copy NumPy takes a slow path of its own.
        block = np.ascontiguousarray(windows[:, row : row + step])
        np.matmul(block, matrix, out=out[:, row : row + step])


def _rounded(sums: NDArray[np.float64]) -> Pcm16:
    """Back to the scale of samples, in place: a power of two divides exactly, halves go to the even neighbour."""
    np.multiply(sums, 2.0**-COEFFICIENT_BITS, out=sums)
    np.rint(sums, out=sums)
    return np.clip(sums, -32768, 32767, out=sums).astype(np.int16)
