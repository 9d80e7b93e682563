"""When a partial is worth its cost.

Each partial recognises the whole open segment again, so a fixed interval costs the square of the segment's length.
A geometric one (each partial when the segment has grown by a share) costs in proportion to the length: with growth
g, the work for all partials is about (1 + g) / g times that of the final alone. Measured on the audio clock, so that
a job that reads the same audio again asks for the same partials.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CadenceSettings:
    """The first partial after ``first_ms`` of speech, the next after ``interval_ms`` and ``growth``, the larger."""

    first_ms: int = 320
    interval_ms: int = 500
    growth: float = 0.25


def next_partial_ms(settings: CadenceSettings, asked_ms: int) -> int:
    """How long the segment must be for the next partial, after one at ``asked_ms`` (0: none was asked for yet)."""
    if asked_ms == 0:
        return settings.first_ms
    return asked_ms + max(settings.interval_ms, round(asked_ms * settings.growth))
