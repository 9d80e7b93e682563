"""The disk for checkpoints runs full in mid-speech, gets room again, and is then needed."""

import time
from functools import partial
from pathlib import Path
from typing import Final

from pipeline.errors import StackError
from tests.chaos.cluster import TASK_MANAGER, Cluster, checkpoint_folder
from tests.chaos.disk import empty, fill, small_disk
from tests.chaos.stage import Outcome, Stage

DISK_BYTES: Final = 64 * 1024 * 1024
FAILED_CHECKPOINTS: Final = 2
GOOD_CHECKPOINTS: Final = 2
REFILL_S: Final = 0.2
PATIENCE_S: Final = 60.0


def disk_full(stage: Stage) -> Outcome:
    """The trial: a job whose checkpoints lie on a disk of its own. Raises NoSmallDisk."""
    cluster = stage.cluster
    folder = checkpoint_folder(cluster.stack.settings)
    cluster.withdraw()
    with small_disk(folder, DISK_BYTES):
        try:
            return stage.speak("disk", partial(starve_and_kill, cluster, folder))
        finally:
            cluster.withdraw()


def starve_and_kill(cluster: Cluster, folder: Path) -> None:
    """Checkpoints fail and nobody minds; they succeed again, and the job lives on from one. Raises StackError."""
    failures = cluster.failures()
    starve(cluster, folder, cluster.checkpoints().failed + FAILED_CHECKPOINTS)
    if cluster.failures() > failures:
        raise StackError(f"the job restarted when {folder} was full: see the JobManager's log")
    cluster.await_checkpoints(GOOD_CHECKPOINTS)
    cluster.kill(TASK_MANAGER)


def starve(cluster: Cluster, folder: Path, failed: int) -> None:
    """Keeps the disk full until so many checkpoints have failed, then gives the room back. Raises StackError."""
    give_up_s = time.monotonic() + PATIENCE_S
    try:
        while cluster.checkpoints().failed < failed:
            if time.monotonic() > give_up_s:
                raise StackError(f"checkpoints went on without room in {folder}: {cluster.checkpoints()}")
            fill(folder)
            time.sleep(REFILL_S)
    finally:
        empty(folder)
