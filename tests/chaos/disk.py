"""A small disk that can be filled and emptied: a tmpfs, which only root may mount."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import Final

from pipeline.errors import SetupError

BALLAST: Final = "ballast"
BLOCK_BYTES: Final = 64 * 1024


class NoSmallDisk(SetupError):
    """This user, or this machine, mounts nothing."""


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """A disk of that size in the place of ``folder``. Raises NoSmallDisk.

    It goes without waiting for those who still have a file open on it.
    """
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "voxflow-chaos", str(folder)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoSmallDisk("there is no mount command on this machine") from error
    if run.returncode != 0:
        raise NoSmallDisk(f"nothing can be mounted here (root can): {run.stderr.strip()}")
    try:
        yield
    finally:
        unmount(folder)


def unmount(folder: Path) -> None:
    """Takes the disk away from ``folder``, if there is one, as a run that was killed may have left it."""
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leaves no room on the disk; again, when somebody else has made some."""
    try:
        with (folder / BALLAST).open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(BLOCK_BYTES))
    except OSError as error:
        if error.errno != ENOSPC:
            raise


def empty(folder: Path) -> None:
    """Gives the room back."""
    (folder / BALLAST).unlink()
