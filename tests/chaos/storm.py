"""Ten thousand sessions of one chunk each: all must end, and nothing of them may stay."""

from dataclasses import replace
from typing import Final

from pipeline.client.pacing import Pace
from pipeline.client.sessions import now, unique_session_id, wall_ms
from pipeline.domain.types import AudioChunk
from pipeline.local.process import wait_until
from tests.chaos.cluster import Checkpoints, Cluster, Deployment
from tests.chaos.listening import spoken
from tests.chaos.speech import Stream, in_session
from tests.chaos.stage import Outcome, Stage, outcome
from tests.chaos.undisturbed import undisturbed

SESSIONS: Final = 10_000
FORGETFUL: Final = Deployment(("--linger-ms", "2000"))
"""Ended sessions go after seconds, so that the trial need not wait for a minute."""

FORGOTTEN_CHECKPOINTS: Final = 5
"""After so many an ended session is in none any more, at one in two seconds."""

SPARE_BYTES: Final = 16 * 1024
"""So much may a checkpoint differ from one of a job that nobody speaks to: usage of a minute or two."""

EMPTY_PATIENCE_S: Final = 60.0


def storm(stage: Stage) -> Outcome:
    """The trial, on a job that forgets ended sessions soon."""
    cluster = stage.cluster
    chunk = replace(stage.voices[-1].stream[0], end_of_stream=True)
    (expected,) = undisturbed([(chunk,)])
    cluster.deploy(FORGETFUL)
    spoken(cluster.kafka, sessions_of(chunk, 1), now(), Pace.FAST)
    cluster.await_checkpoints(FORGOTTEN_CHECKPOINTS)
    idle_bytes = cluster.checkpoints().latest_bytes
    streams = sessions_of(chunk, SESSIONS)
    heard = spoken(cluster.kafka, streams, now(), Pace.FAST)
    found = outcome(heard, streams, [expected] * SESSIONS)
    problem = leftover(cluster, idle_bytes)
    return found.but(note=sizes(idle_bytes, cluster.checkpoints()), problem=problem)


def sessions_of(chunk: AudioChunk, count: int) -> list[Stream]:
    """So many sessions of this one chunk."""
    name, start_at_ms = unique_session_id("storm"), wall_ms()
    return [in_session((chunk,), f"{name}-{number}", start_at_ms) for number in range(count)]


def leftover(cluster: Cluster, idle_bytes: int) -> str | None:
    """What is wrong with the job a while after the last session's end."""
    if not wait_until(lambda: cluster.checkpoints().latest_bytes <= idle_bytes + SPARE_BYTES, EMPTY_PATIENCE_S):
        return f"{EMPTY_PATIENCE_S:.0f} s after the last end something is left in the state"
    return f"the job failed {failures} times" if (failures := cluster.failures()) else None


def sizes(idle_bytes: int, after: Checkpoints) -> str:
    return f"checkpoints of {idle_bytes:_} bytes before, {after.largest_bytes:_} at most, {after.latest_bytes:_} after"
