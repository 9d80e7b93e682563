"""How busy the engines are, for whoever decides which partials are worth asking for; pure, with time passed in."""

from math import exp
from typing import Final

from pipeline.domain.cadence import Load

MEMORY_MS: Final = 1_000
"""What was a while ago counts for less: after so long for 37 %. Longer than a call, shorter than a sentence."""

BUSY_SHARE: Final = 0.5
"""From here on dense partials would soon have finals wait for them."""

TIGHT_SHARE: Final = 0.85
"""From here on there is hardly time left for anything but finals."""

FULL_WAIT_MS: Final = 400
"""Where a final waits for longer than this, partials must not make it worse."""


class LoadMeter:
    """The share of the workers' time that was spent on calls, as an average that forgets."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._share = 0.0
        self._busy = 0
        self._noted_at_ms = 0

    def note(self, busy: int, now_ms: int) -> None:
        """From now on so many workers are ``busy``."""
        self._share = self.share(now_ms)
        self._busy, self._noted_at_ms = busy, now_ms

    def share(self, now_ms: int) -> float:
        """In [0, 1]."""
        kept = exp(-max(0, now_ms - self._noted_at_ms) / MEMORY_MS)
        return self._share * kept + min(1.0, self._busy / self._workers) * (1 - kept)

    def load(self, waited_ms: int, now_ms: int) -> Load:
        """``waited_ms``: how long the most urgent final has waited, 0 where none waits."""
        if waited_ms > FULL_WAIT_MS:
            return Load.FULL
        share = self.share(now_ms)
        if share >= TIGHT_SHARE:
            return Load.TIGHT
        return Load.BUSY if share >= BUSY_SHARE else Load.IDLE
