"""The short form: everything at once, in one playback of a minute."""

from collections.abc import Sequence
from typing import Final

from pipeline.client.pacing import Pace
from pipeline.client.sessions import now
from tests.chaos.cluster import JOB_MANAGER, KAFKA, PLAIN, TASK_MANAGER, Cluster
from tests.chaos.listening import Strike, spoken
from tests.chaos.poison import PoisoningPublisher, bad_records, spoiled, usable
from tests.chaos.producer_killed import Producing
from tests.chaos.speech import Stream, live_sessions
from tests.chaos.stage import Change, Outcome, Stage, outcome
from tests.chaos.streams import doubled, dropped, resent, shuffled
from tests.chaos.undisturbed import undisturbed

CHANGES: Final[Sequence[Change]] = (doubled, shuffled, dropped, resent, spoiled)
"""One for each of these voices; those that are left speak through a producer that is killed."""


def together(stage: Stage) -> Outcome:
    """The trial: the processes die one after the other, while each voice suffers a fault of its own."""
    changes: list[Change] = [*CHANGES, *[unchanged] * (stage.sessions - len(CHANGES))]
    voices = [change(voice.stream) for change, voice in zip(changes, stage.voices, strict=True)]
    expected = undisturbed(voices)
    cluster = stage.cluster
    cluster.deploy(PLAIN)
    start = now()
    streams = live_sessions(voices, "together", start.at_ms)
    here, beside, poisoned = streams[: len(CHANGES)], streams[len(CHANGES) :], streams[len(CHANGES) - 1]
    publisher = PoisoningPublisher(cluster.kafka, {poisoned[0].session_id: (bad_records(poisoned),)})
    with Producing(cluster.kafka.bootstrap_servers, stage.voices[len(CHANGES) :], beside) as producing:
        heard = spoken(
            cluster.kafka,
            here,
            start,
            Pace.REALTIME,
            in_turn(cluster, producing.die),
            publisher,
            listen_to=[stream[0].session_id for stream in beside],
        )
    return outcome(heard, [usable(stream) for stream in streams], expected, heard.silence_s)


def in_turn(cluster: Cluster, producer_dies: Strike) -> Strike:
    """One process after the other; the job runs and has state of its own again before the next one dies."""

    def strike() -> None:
        producer_dies()
        for name in (TASK_MANAGER, JOB_MANAGER, KAFKA):
            cluster.kill(name)
            cluster.await_running()
            cluster.await_checkpoints(1)

    return strike


def unchanged(stream: Stream) -> Stream:
    return stream
