"""Jobs whose engine fails on purpose, and the proof that it did."""

from typing import Final

from pipeline.local.process import wait_until
from pipeline.local.running_job import RunningJob
from pipeline.observability.metrics import FAILED, HANGS, RETRIES
from tests.chaos.cluster import Cluster, Deployment
from tests.chaos.stage import Outcome, Stage

RAISING: Final = Deployment(environ={"VOXFLOW_RECOGNIZER": "pipeline.testing:raising_moonshine"})
BABBLING: Final = Deployment(environ={"VOXFLOW_RECOGNIZER": "pipeline.testing:babbling_moonshine"})
HANGING: Final = Deployment(
    environ={
        "VOXFLOW_RECOGNIZER": "pipeline.testing:hanging_moonshine",
        "VOXFLOW_FAULT_PERCENT": "1",
        "VOXFLOW_ENGINE_CALL_TIMEOUT_MS": "1000",
    }
)

COUNTED_S: Final = 15.0
"""Within so long Flink's REST interface has asked the TaskManagers for their counters once more."""


def faulty_engine(stage: Stage, name: str, deployment: Deployment) -> Outcome:
    """The trial: everybody speaks to an engine that fails, and nobody else does anything."""
    found = stage.speak(name, deployment=deployment)
    wait_until(lambda: any(counted(stage.cluster).values()), COUNTED_S)
    counts = counted(stage.cluster)
    problem = None if any(counts.values()) else "the engine never failed, so nothing was tried"
    note = ", ".join(f"{count} {what}" for what, count in counts.items())
    return found.but(note=note, problem=problem)


def counted(cluster: Cluster) -> dict[str, int]:
    """What the job says of its engine's failures."""
    job = RunningJob(cluster.jobs.rest.url, cluster.job_id)
    counts = job.counted("inference", (RETRIES, HANGS, FAILED))
    return {name: counts[name] for name in (RETRIES, HANGS, FAILED)}
