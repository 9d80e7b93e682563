"""Which engine takes the next batch: the one asked for, or the fallback; pure, with time passed in.

Without a fallback there is nothing to decide. With one, a request goes to the fallback while the breaker is open, and
where the engine has used up its attempts at it. The fallback recognises finals and early finals, each alone: it may be
many times slower, and its canonical lengths are its own.
"""

from pipeline.engines.base import EngineSettings
from pipeline.engines.batch_queue import BatchQueue, Waiting
from pipeline.engines.breaker import Breaker, Weight
from pipeline.engines.calls import Call, Role
from pipeline.engines.retries import Tries


class Router:
    """Holds the breaker, which all lanes of a subtask share."""

    def __init__(self, settings: EngineSettings, *, has_fallback: bool) -> None:
        self._attempts = settings.attempts
        self._batch_size = settings.batch_size
        self._breaker = Breaker(settings.breaker_pause_ms) if has_fallback else None

    @property
    def opened(self) -> int:
        """How often the breaker has opened."""
        return 0 if self._breaker is None else self._breaker.opened

    @property
    def is_open(self) -> bool:
        """Whether the fallback answers, but for trials."""
        return self._breaker is not None and not self._breaker.is_closed

    def next_batch(
        self, queue: BatchQueue, now_ms: int, *, may_try: bool, urgent_only: bool
    ) -> tuple[list[Waiting], Role]:
        """Takes a batch out of the queue, none if none is ready, and says whose it is.

        ``may_try``: whether a trial may be risked, which might hang. The queue should hold no partials unless one is
        wanted (``serves_partials``). ``urgent_only``: no batch that is of partials alone.
        """
        if not self.is_open:
            batch = queue.next_batch(self._batch_size, now_ms, urgent_only=urgent_only)
            return batch, self._role(batch, Role.ORDINARY)
        if not self._wants_trial(now_ms, may_try=may_try):
            return queue.next_batch(1, now_ms), Role.FALLBACK
        batch = queue.next_trial(now_ms)
        role = self._role(batch, Role.TRIAL)
        if batch and role is Role.TRIAL and self._breaker is not None:
            self._breaker.begin_trial()
        return batch, role

    def serves_partials(self, now_ms: int, *, may_try: bool) -> bool:
        """Whether a partial may be recognised now: by the engine, or as its trial."""
        return not self.is_open or self._wants_trial(now_ms, may_try=may_try)

    def learn(self, call: Call, weight: Weight, now_ms: int) -> bool:
        """What became of a call; True where the breaker has just opened because of it."""
        if self._breaker is None or call.role is Role.FALLBACK:
            return False
        if call.role is Role.TRIAL:
            self._breaker.end_trial(weight, now_ms)
            return False
        return self._breaker.record(weight, (one.voice for one in call.batch), now_ms)

    def gives_up(self, tries: Tries) -> bool:
        """Whether a request is to be answered with its error: there is no engine left to ask."""
        return tries.are_spent(self._attempts) if self._breaker is None else tries.are_hopeless()

    def goes_to_fallback(self, tries: Tries) -> bool:
        """Whether a request would be the fallback's now."""
        return self._breaker is not None and (self.is_open or tries.are_spent(self._attempts))

    def _wants_trial(self, now_ms: int, *, may_try: bool) -> bool:
        return may_try and self._breaker is not None and self._breaker.wants_trial(now_ms)

    def _role(self, batch: list[Waiting], otherwise: Role) -> Role:
        """A request that the engine has failed too often goes alone, so it is the whole of its batch."""
        spent = self._breaker is not None and bool(batch) and batch[0].tries.are_spent(self._attempts)
        return Role.FALLBACK if spent else otherwise
