"""Runs one keyed operator without a cluster: keyed state in memory (pickled, as Flink keeps it) and timers by hand."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class KeyedState:
    """All state of one operator; outlives the operator, as a checkpoint does."""

    values: dict[tuple[Any, str], Any] = field(default_factory=dict)
    timers: set[tuple[int, Any]] = field(default_factory=set)
    key: Any = None

    def size_bytes(self, key: Any) -> int:
        return sum(len(pickle.dumps(value)) for (of, _), value in self.values.items() if of == key)


class _Slot:
    def __init__(self, state: KeyedState, name: str) -> None:
        self._state, self._name = state, name

    @property
    def stored(self) -> Any:
        return self._state.values.get((self._state.key, self._name))

    @stored.setter
    def stored(self, value: Any) -> None:
        self._state.values[self._state.key, self._name] = value

    def clear(self) -> None:
        self._state.values.pop((self._state.key, self._name), None)


class ValueSlot(_Slot):
    def value(self) -> Any:
        return None if self.stored is None else pickle.loads(self.stored)

    def update(self, value: Any) -> None:
        self.stored = pickle.dumps(value)


class ListSlot(_Slot):
    def get(self) -> Iterator[Any] | None:
        return None if self.stored is None else map(pickle.loads, self.stored)

    def add_all(self, values: list[Any]) -> None:
        self.stored = [*(self.stored or []), *map(pickle.dumps, values)]

    def update(self, values: list[Any]) -> None:
        self.clear()
        if values:
            self.add_all(values)


class MapSlot(_Slot):
    def put(self, key: str, value: Any) -> None:
        self.stored = {**(self.stored or {}), key: pickle.dumps(value)}

    def remove(self, key: str) -> None:
        self.stored = {name: value for name, value in (self.stored or {}).items() if name != key}
        if not self.stored:
            self.clear()

    def values(self) -> Iterator[Any]:
        return map(pickle.loads, (self.stored or {}).values())


@dataclass
class Counter:
    """One of Flink's counters."""

    count: int = 0

    def inc(self, n: int = 1) -> None:
        self.count += n

    def dec(self, n: int = 1) -> None:
        self.count -= n


class Operator:
    """A keyed function at work on ``state``; make another one on the same state to restart it.

    ``counters`` and ``gauges`` are the metrics that it registered, by name.
    """

    def __init__(self, function: Any, state: KeyedState) -> None:
        self._function, self.state = function, state
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Callable[[], int]] = {}
        function.open(self)

    # What the function sees of Flink.
    def get_state(self, descriptor: Any) -> ValueSlot:
        return ValueSlot(self.state, descriptor.name)

    def get_list_state(self, descriptor: Any) -> ListSlot:
        return ListSlot(self.state, descriptor.name)

    def get_map_state(self, descriptor: Any) -> MapSlot:
        return MapSlot(self.state, descriptor.name)

    def get_metrics_group(self) -> "Operator":
        return self

    def counter(self, name: str) -> Counter:
        return self.counters.setdefault(name, Counter())

    def gauge(self, name: str, value: Callable[[], int]) -> None:
        self.gauges[name] = value

    def get_current_key(self) -> Any:
        return self.state.key

    def timer_service(self) -> "Operator":
        return self

    def register_processing_time_timer(self, at_ms: int) -> None:
        self.state.timers.add((at_ms, self.state.key))

    # What tests do.
    def send(self, key: Any, value: Any) -> list[Any]:
        self.state.key = key
        return list(self._function.process_element(value, self))

    def ring_until(self, at_ms: int) -> list[Any]:
        """Rings all timers due by then, also those that they set."""
        out: list[Any] = []
        while due := sorted(timer for timer in self.state.timers if timer[0] <= at_ms):
            self.state.timers.difference_update(due)
            for timestamp, self.state.key in due:
                out += self._function.on_timer(timestamp, self)
        return out

    def remembers(self) -> list[str]:
        """The function's own dictionaries that are not empty."""
        return [name for name, value in vars(self._function).items() if isinstance(value, dict) and value]

    def close(self) -> None:
        self._function.close()
