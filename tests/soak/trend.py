"""A line through samples of one figure, and how sure its slope is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

HOUR_S: Final = 3600.0
SURE: Final = 2.0
"""Standard errors to each side of a slope: about 95 of 100 such intervals hold the true one."""

CLOSEST: Final = 0.99
"""How alike neighbouring residuals may count at most: the correction for it grows beyond all bounds."""

FEWEST: Final = 3


class Judgement(StrEnum):
    """What a slope and its error say about a limit."""

    HOLDS = "holds"
    UNSURE = "cannot be told from it"
    GROWS = "grows"


@dataclass(frozen=True, slots=True)
class Trend:
    """``slope`` an hour of the figure, and its standard error."""

    slope: float
    error: float

    def judgement(self, limit: float) -> Judgement:
        """Whether the slope is certainly below the limit, certainly above it, or neither."""
        if self.slope + SURE * self.error < limit:
            return Judgement.HOLDS
        return Judgement.GROWS if self.slope - SURE * self.error > limit else Judgement.UNSURE


def trend(times_s: Sequence[float], values: Sequence[float]) -> Trend:
    """The least-squares line's slope an hour. Raises ValueError for fewer than three samples.

    Memory moves in steps, so that a residual is much like the one before it and many samples say little more than a
    few. The error is widened for that as for an autoregressive process of the first order.
    """
    if len(values) < FEWEST:
        raise ValueError(f"{len(values)} samples have no trend: take {FEWEST} or more (a longer run)")
    times_h, figures = np.asarray(times_s, float) / HOUR_S, np.asarray(values, float)
    apart = times_h - times_h.mean()
    spread = float(apart @ apart)
    slope = float(apart @ figures) / spread
    residuals = figures - figures.mean() - slope * apart
    variance = float(residuals @ residuals) / (len(values) - 2)
    return Trend(slope, sqrt(variance / spread) * _widening(residuals))


def _widening(residuals: NDArray[np.float64]) -> float:
    """How many times larger the error is than if the residuals were independent of each other."""
    total = float(residuals @ residuals)
    if total == 0:
        return 1.0
    alike = min(max(float(residuals[1:] @ residuals[:-1]) / total, 0.0), CLOSEST)
    return sqrt((1 + alike) / (1 - alike))
