"""Dataclasses of the domain to plain data and back: what snapshots and the hops between operators are made of.

Fields go by name, so that a later version may add fields with defaults and still read what an earlier one wrote.
"""

from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pipeline.domain.snapshots import CURE
from pipeline.errors import UnknownSnapshot

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """``value`` with dataclasses as dictionaries, enums as their values and tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def from_plain(wanted: type[T], plain: Any) -> T:
    """The ``wanted`` dataclass from what ``to_plain`` made of one.

    Raises UnknownSnapshot for a field that only a later release knows, TypeError where one is missing.
    """
    types = _field_types(cast(Hashable, wanted))
    if unknown := plain.keys() - types.keys():
        raise UnknownSnapshot(f"{wanted.__name__} has no field {', '.join(sorted(unknown))} in this release: {CURE}")
    return wanted(**{name: _field_from_plain(types[name], item) for name, item in plain.items()})


def _field_from_plain(wanted: Any, plain: Any) -> Any:
    if is_dataclass(wanted):
        return from_plain(wanted, plain)  # type: ignore[arg-type]
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return wanted(plain)
    if isinstance(plain, list):
        (item_type, *_) = get_args(wanted)
        return tuple(_field_from_plain(item_type, item) for item in plain)
    return plain


@cache
def _field_types(wanted: Hashable) -> dict[str, Any]:
    return get_type_hints(wanted)  # the classes passed here are all dataclasses
