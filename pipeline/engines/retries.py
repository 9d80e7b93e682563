"""How often a request may fail, and how long it rests in between; pure.

A call that raises costs little, one that never comes back costs its engine: the latter is forgiven once only. That one
time is needed, since a hang is blamed on the whole batch, and only one of it may be the poison.

Where there is a fallback, a request goes there once the engine has failed it so often, and is given up when that
fails it too.
"""

from dataclasses import dataclass, replace
from typing import Final

FIRST_PAUSE_MS: Final = 20
LONGEST_PAUSE_MS: Final = 1_000
HANGS: Final = 2
"""The hang after which a request is given up, whatever attempts are left."""

FALLBACK_ATTEMPTS: Final = 2
"""Calls of the fallback that may fail or hang before a request is given up."""


@dataclass(frozen=True, slots=True)
class Tries:
    """What became of a request so far: calls that failed, calls that did not come back in time, and calls of the
    fallback that did either."""

    failed: int = 0
    hung: int = 0
    fallback: int = 0

    @property
    def total(self) -> int:
        return self.failed + self.hung + self.fallback

    def after(self, *, hung: bool, fallback: bool = False) -> "Tries":
        """These and one more."""
        if fallback:
            return replace(self, fallback=self.fallback + 1)
        return replace(self, hung=self.hung + 1) if hung else replace(self, failed=self.failed + 1)

    def are_spent(self, attempts: int) -> bool:
        """Whether the engine has failed the request so often that it is not to be asked again."""
        return self.failed + self.hung >= attempts or self.hung >= HANGS

    def are_hopeless(self) -> bool:
        """Whether the fallback has failed the request so often that it is not to be asked again."""
        return self.fallback >= FALLBACK_ATTEMPTS

    def pause_ms(self) -> int:
        """The rest before the next attempt: it doubles, so that an engine in trouble gets time to recover."""
        return min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << max(0, self.total - 1))


NEVER_TRIED: Final = Tries()
