"""Snapshots that outlive the release that wrote them.

Each says its version. One of an older version is brought up to date step by step, by upgrades that stay for as long
as such a snapshot may be met; one of a version that this release does not know is refused, never guessed at. A field
that is added with a default, to a dataclass that is kept by name (``plain.py``), needs neither: what was written before
takes the default. Anything else that changes the shape needs an upgrade, and golden files of the new version
(tests/domain/golden.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import UnknownSnapshot

CURE: Final = (
    "run the release that wrote it, or let that release's sessions end, stop it, and start this one with "
    "`voxflow deploy --fresh`"
)

UNVERSIONED: Final = 0
"""The version of a snapshot from before its kind had any."""

Upgrade = Callable[[Any], Any]
"""From a snapshot of one version to the next one's; ``version`` may stay as it is."""


@dataclass(frozen=True, slots=True)
class SnapshotFormat:
    """What snapshots of one kind look like. ``upgrades[i]`` brings one of version ``oldest + i`` a version further."""

    what: str
    oldest: int
    upgrades: tuple[Upgrade, ...] = ()

    @property
    def version(self) -> int:
        """The version that this release writes."""
        return self.oldest + len(self.upgrades)

    def upgraded(self, saved: Any) -> Any:
        """``saved`` in the form of this release. Raises UnknownSnapshot."""
        version = version_of(saved)
        if version not in range(self.oldest, self.version + 1):
            raise UnknownSnapshot(
                f"the state of {self.what} has version {version!r}, this release reads {self._readable()}: {CURE}"
            )
        for upgrade in self.upgrades[version - self.oldest :]:
            saved = upgrade(saved)
        return saved

    def _readable(self) -> str:
        return f"version {self.version}" if not self.upgrades else f"versions {self.oldest} to {self.version}"


def version_of(saved: Any) -> Any:
    """What a snapshot says of itself, UNVERSIONED if nothing."""
    return saved.get("version", UNVERSIONED) if isinstance(saved, dict) else UNVERSIONED
