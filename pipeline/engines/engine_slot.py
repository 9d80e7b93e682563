"""The engine that all workers call, and its replacement by a fresh one."""

from collections.abc import Callable
from threading import Lock

from pipeline.domain.ports import Recognizer


class EngineSlot:
    """Holds one engine; ``load`` gives one that is ready to run, at once and whenever it has to be replaced."""

    def __init__(self, load: Callable[[], Recognizer]) -> None:
        self._load = load
        self._loading = Lock()
        self._current = load()

    @property
    def current(self) -> Recognizer:
        """The engine to call next; a condemned one until its replacement is there."""
        return self._current

    def replace(self, condemned: Recognizer) -> bool:
        """Puts another engine in the place of ``condemned``; False where somebody has done so, who is waited for."""
        with self._loading:
            if self._current is not condemned:
                return False
            self._current = self._load()
            return True
