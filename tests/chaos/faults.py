"""The faults, as values: what each is called, what it does, and how it is tried."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.chaos.cluster import JOB_MANAGER, KAFKA, TASK_MANAGER, ZOOKEEPER, Cluster, Deployment
from tests.chaos.disk_full import disk_full
from tests.chaos.engine_faults import BABBLING, HANGING, RAISING, faulty_engine
from tests.chaos.poisoned import poisoned
from tests.chaos.producer_killed import producer_killed
from tests.chaos.stage import Change, Outcome, Stage
from tests.chaos.storm import storm
from tests.chaos.streams import doubled, dropped, resent, shuffled

FROZEN_S: Final = 8.0
"""Longer than Flink waits for a heartbeat, so that the JobManager gives the TaskManager up before it comes back."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``kills``: a process dies and its supervisor starts it again, which may take RECOVERY_LIMIT_S at most."""

    name: str
    what: str
    trial: Callable[[Stage], Outcome]
    kills: bool = False


def killed(name: str, what: str, *processes: str) -> Fault:
    return struck(name, what, lambda cluster: cluster.kill(*processes), kills=True)


def struck(name: str, what: str, strike: Callable[[Cluster], None], kills: bool = False) -> Fault:
    """A fault that strikes while everybody speaks."""
    return Fault(name, what, lambda stage: stage.speak(name, partial(strike, stage.cluster)), kills)


def changed(name: str, what: str, change: Change, holes: bool = False) -> Fault:
    """A fault of the chunks themselves; ``holes`` that are not filled again change what can be heard."""
    return Fault(name, what, lambda stage: stage.send(name, change, holes=holes))


def engine(name: str, what: str, deployment: Deployment) -> Fault:
    """A job whose engine fails on purpose."""
    return Fault(name, what, lambda stage: faulty_engine(stage, name, deployment))


def rescaled(cluster: Cluster) -> None:
    """In mid-speech to two subtasks and back to one, by way of savepoints."""
    cluster.rescale(2)
    cluster.await_checkpoints(1)
    cluster.rescale(1)


def frozen(cluster: Cluster) -> None:
    cluster.freeze(TASK_MANAGER, FROZEN_S)


FAULTS: Final = (
    Fault("none", "nothing happens: the job says what one process says", lambda stage: stage.speak("none")),
    killed("taskmanager", "kill -9 of the TaskManager, which holds all sessions", TASK_MANAGER),
    killed("jobmanager", "kill -9 of the JobManager, which watches over the job", JOB_MANAGER),
    killed("cluster", "kill -9 of both at once", TASK_MANAGER, JOB_MANAGER),
    killed("kafka", "kill -9 of the broker", KAFKA),
    killed("zookeeper", "kill -9 of ZooKeeper, where the JobManager keeps what it must not forget", ZOOKEEPER),
    Fault("producer", "kill -9 of the producer; the next one sends its last second again", producer_killed, True),
    struck("frozen", f"the TaskManager stands still for {FROZEN_S:.0f} s, then goes on", frozen),
    struck("rescaled", "stopped with a savepoint and gone on from it, with 1, 2 and again 1 subtasks", rescaled),
    Fault("disk", "no room for checkpoints for a while, then a killed TaskManager", disk_full, True),
    changed("doubled", "every chunk comes twice", doubled),
    changed("shuffled", "chunks come out of order, within three", shuffled),
    changed("resent", "the last ten chunks come again, in the middle", resent),
    changed("dropped", "one chunk of fifty never comes", dropped, holes=True),
    Fault("poisoned", "bad records of all kinds before, within and after the sessions", poisoned),
    engine("engine-raises", "the engine raises on 30 % of its calls", RAISING),
    engine("engine-hangs", "1 % of the engine's calls hang for a minute", HANGING),
    engine("engine-babbles", "30 % of the engine's answers are too short, too long or no texts at all", BABBLING),
    Fault("storm", "ten thousand sessions of one chunk each", storm),
)
