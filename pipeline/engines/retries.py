"""How often a request may fail, and how long it rests in between; pure.

A call that raises costs little, one that never comes back costs its engine: the latter is forgiven once only. That one
time is needed, since a hang is blamed on the whole batch, and only one of it may be the poison.
"""

from dataclasses import dataclass, replace
from typing import Final

FIRST_PAUSE_MS: Final = 20
LONGEST_PAUSE_MS: Final = 1_000
HANGS: Final = 2
"""The hang after which a request is given up, whatever attempts are left."""


@dataclass(frozen=True, slots=True)
class Tries:
    """What became of a request so far: calls that failed, and calls that did not come back in time."""

    failed: int = 0
    hung: int = 0

    @property
    def total(self) -> int:
        return self.failed + self.hung

    def after(self, *, hung: bool) -> "Tries":
        """These and one more."""
        return replace(self, hung=self.hung + 1) if hung else replace(self, failed=self.failed + 1)

    def are_spent(self, attempts: int) -> bool:
        """Whether the request is to be answered with its error."""
        return self.total >= attempts or self.hung >= HANGS

    def pause_ms(self) -> int:
        """The rest before the next attempt: it doubles, so that an engine in trouble gets time to recover."""
        return min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << max(0, self.total - 1))


NEVER_TRIED: Final = Tries()
