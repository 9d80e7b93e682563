"""The states that a job can go on from: the checkpoints and savepoints which its deployments left behind.

Each deployment gives a job a new id, and Flink names the folders of checkpoints by ids. So the id that was deployed
last under a name is written down, and what to go on from is looked for on the disk itself, where nothing can be
forgotten: a savepoint counts although nobody lived to write down where it is. Under Flink's folder:

    deployed/NAME.json                      the id, and the state that it started from
    checkpoints/ID/chk-N/_metadata          Flink's own; a cancelled job leaves its newest three
    savepoints/NAME/ID/savepoint-X/_metadata

Flink writes _metadata last: a folder without it is not complete.
"""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pipeline.errors import StackError

METADATA: Final = "_metadata"
CHECKPOINT: Final = "chk-"
KEPT_SAVEPOINTS: Final = 3


@dataclass(frozen=True, slots=True)
class State:
    """A complete checkpoint or savepoint, and when it was completed, in seconds since 1970."""

    path: Path
    completed_s: float

    @property
    def is_checkpoint(self) -> bool:
        """Checkpoints are the job's, and Flink deletes them when they are out of date; savepoints are the user's."""
        return self.path.name.startswith(CHECKPOINT)

    @property
    def kind(self) -> str:
        return "checkpoint" if self.is_checkpoint else "savepoint"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A job's id, and the state that it was started from."""

    job_id: str
    started_from: Path | None = None


@dataclass(frozen=True, slots=True)
class States:
    """The states of the job called ``name`` in Flink's ``folder``."""

    folder: Path
    name: str

    def deployed(self) -> Deployment | None:
        """What was deployed last. Raises StackError if the file that says so is damaged."""
        try:
            record = json.loads(self._record.read_text())
            path = record["started_from"]
            return Deployment(record["job_id"], path and Path(path))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(
                f"{self._record} is damaged, so what {self.name} left behind is not known; choose a state below "
                f"{self.folder} with: voxflow deploy --from PATH, or start without one with: voxflow deploy --fresh"
            ) from error

    def remember(self, deployment: Deployment) -> None:
        """Writes down what was deployed; a crash leaves the old record or the new one."""
        self._record.parent.mkdir(parents=True, exist_ok=True)
        path = deployment.started_from
        draft = self._record.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump({"job_id": deployment.job_id, "started_from": path and str(path)}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._record)

    def newest(self) -> State | None:
        """What the job goes on from: the newest state of the last deployment, else what that one itself started from.

        Raises StackError.
        """
        last = self.deployed()
        if last is None:
            return None
        own = [*self.savepoints_of(last.job_id).glob("*"), *self._checkpoints_of(last.job_id).glob(f"{CHECKPOINT}*")]
        return newest_of(own) or newest_of([last.started_from] if last.started_from else [])

    def savepoints_of(self, job_id: str) -> Path:
        """The folder for the savepoints of one deployment."""
        return self._savepoints / job_id

    def drop_savepoints(self) -> None:
        """Deletes all savepoints of the job but the newest KEPT_SAVEPOINTS, which are of any deployment."""
        found = complete(self._savepoints.glob("*/*"))
        for state in found[KEPT_SAVEPOINTS:]:
            shutil.rmtree(state.path)

    def drop_checkpoints_before(self, state: State) -> None:
        """Deletes the older checkpoints beside the one that a job was started from: no later job would take them."""
        for other in complete(state.path.parent.glob(f"{CHECKPOINT}*")):
            if state.is_checkpoint and other.completed_s < state.completed_s:
                shutil.rmtree(other.path)

    def drop_checkpoints_of(self, job_id: str) -> None:
        """Deletes what a job left that nobody will go on from."""
        shutil.rmtree(self._checkpoints_of(job_id), ignore_errors=True)

    @property
    def _record(self) -> Path:
        return self.folder / "deployed" / f"{self.name}.json"

    @property
    def _savepoints(self) -> Path:
        return self.folder / "savepoints" / self.name

    def _checkpoints_of(self, job_id: str) -> Path:
        return self.folder / "checkpoints" / job_id


def state_at(location: str) -> State:
    """The state at a path, or at a file URL as Flink prints it. Raises StackError if it is not complete."""
    url = urlsplit(location)
    path = Path(unquote(url.path) if url.scheme == "file" else location).absolute()
    found = newest_of([path])
    if found is None:
        raise StackError(
            f"{path} is no complete checkpoint or savepoint: it has no {METADATA}; name the folder that holds it"
        )
    return found


def newest_of(paths: Iterable[Path]) -> State | None:
    return next(iter(complete(paths)), None)


def complete(paths: Iterable[Path]) -> list[State]:
    """The complete states among the folders, the newest first."""
    found = [State(path, (path / METADATA).stat().st_mtime) for path in paths if (path / METADATA).is_file()]
    return sorted(found, key=lambda state: -state.completed_s)
