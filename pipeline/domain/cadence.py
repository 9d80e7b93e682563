"""When a partial is worth its cost, by how busy the engines are.

Each partial recognises the whole open segment again, so a fixed interval costs the square of the segment's length.
A geometric one (each partial when the segment has grown by a share) costs in proportion to the length: with growth
g, the work for all partials is about (1 + g) / g times that of the final alone. So partials are dense only while the
engines have time to spare and geometric while they are busy. When there is hardly anything left they are just often
enough to show a change every two seconds, the final of the segment before included; when even finals wait, there are
none.

What is due under each load is decided on the audio clock and does not depend on the load itself. A partial that is due
but not worth it now still uses up its revision: a job that reads the same audio again, under another load, numbers its
finals alike.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Load(IntEnum):
    """How busy the engines are."""

    IDLE = 0
    BUSY = 1
    TIGHT = 2
    FULL = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """The first partial after ``first_ms`` of speech; the next when ``interval_ms`` more were spoken and the segment
    has grown by the share ``growth``, but after ``longest_ms`` in any case.
    """

    first_ms: int
    interval_ms: int
    growth: float = 0.0
    longest_ms: int = 1_800

    def next_ms(self, asked_ms: int) -> int:
        """How long the segment must be for the next partial, after one at ``asked_ms`` (0: none was asked for yet)."""
        if asked_ms == 0:
            return self.first_ms
        grown_ms = max(self.interval_ms, round(asked_ms * self.growth))
        return asked_ms + min(grown_ms, max(self.interval_ms, self.longest_ms))


@dataclass(frozen=True, slots=True)
class CadenceSettings:
    """The pace under IDLE, BUSY and TIGHT load; under FULL there are no partials."""

    paces: tuple[Pace, Pace, Pace] = (
        Pace(first_ms=320, interval_ms=320),
        Pace(first_ms=320, interval_ms=500, growth=0.25),
        Pace(first_ms=1_500, interval_ms=1_700),
    )


NO_PARTIALS: Final = CadenceSettings((Pace(10**9, 1), Pace(10**9, 1), Pace(10**9, 1)))
"""No segment is ever so long."""

Marks = tuple[int, ...]
"""For each pace, how long the segment was at its latest partial in milliseconds; 0 before the first."""

NO_MARKS: Final[Marks] = (0, 0, 0)


def due(settings: CadenceSettings, marks: Marks, spoken_ms: int) -> Load | None:
    """The heaviest load under which a partial of ``spoken_ms`` of speech is worth its cost; None where none is due."""
    loads = (Load.TIGHT, Load.BUSY, Load.IDLE)
    return next((load for load in loads if spoken_ms >= settings.paces[load].next_ms(marks[load])), None)


def marked(settings: CadenceSettings, marks: Marks, spoken_ms: int) -> Marks:
    """The marks after the partials that were due at ``spoken_ms``."""
    return tuple(
        spoken_ms if spoken_ms >= pace.next_ms(mark) else mark for mark, pace in zip(marks, settings.paces, strict=True)
    )
