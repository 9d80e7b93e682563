"""Where the inference operators tell the sessions of their process how busy the engines are.

The operators of a TaskManager share its interpreter in thread mode, so that a word here costs nothing. It is a hint: it
decides which partials are asked for, never what a final says. Where nobody has told anything, as in process mode, where
each operator has a process of its own, partials keep to the pace of busy engines.
"""

from dataclasses import dataclass, field
from typing import Final

from pipeline.domain.cadence import Load

STALE_MS: Final = 1_000
"""An operator that has said nothing for so long has nothing to do: it looks at its batches only while it has any."""


@dataclass(slots=True)
class LoadBoard:
    """The load of each batcher, by any name of its own, and when it was told."""

    _told: dict[int, tuple[Load, int]] = field(default_factory=dict)

    def tell(self, teller: int, load: Load, now_ms: int) -> None:
        self._told[teller] = (load, now_ms)

    def forget(self, teller: int) -> None:
        """The batcher is closed."""
        self._told.pop(teller, None)

    def load(self, now_ms: int) -> Load:
        """That of the busiest batcher."""
        if not self._told:
            return Load.BUSY
        return max(load if now_ms - at_ms < STALE_MS else Load.IDLE for load, at_ms in self._told.values())


BOARD: Final = LoadBoard()
"""That of this process."""
