"""The final topic itself, repeats not dropped, after the death of the process that writes it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.adapters.kafka import ChunkPublisher, TranscriptReader, ensure_topics
from pipeline.adapters.kafka.reader import TranscriptId, transcript_id
from pipeline.adapters.kafka.scan import kept, stored_records
from pipeline.client.exchange import exchanged
from pipeline.client.pacing import Pace
from pipeline.client.sessions import now
from pipeline.codecs.avro import decode_transcript
from pipeline.config import KafkaSettings, Topics
from pipeline.domain.types import AudioChunk, Transcript, TranscriptKind
from pipeline.flink.settings import Guarantee
from pipeline.local.jobs import Jobs
from pipeline.local.process import wait_until
from pipeline.local.stack import Stack
from tests.chaos.cluster import TASK_MANAGER, Cluster
from tests.e2e.conftest import TRANSCRIBE
from tests.e2e.test_transcription import finals_of, in_process, played

pytestmark = pytest.mark.e2e

PATIENCE_S = 120

CHECKPOINT_INTERVAL_MS = {Guarantee.EXACTLY_ONCE: 2_000, Guarantee.AT_LEAST_ONCE: 120_000}
"""The job that may repeat has no checkpoint before it is killed: it certainly repeats what it wrote until then."""


@dataclass(frozen=True)
class Both:
    """What one producer sends, to two installations on one Kafka."""

    publishers: tuple[ChunkPublisher, ...]

    def publish(self, chunk: AudioChunk) -> None:
        for publisher in self.publishers:
            publisher.publish(chunk)

    def flush(self) -> None:
        for publisher in self.publishers:
            publisher.flush()


@dataclass(frozen=True)
class Installation:
    """Topics of its own on the shared Kafka, and one job at a time."""

    name: str
    stack: Stack

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.stack.settings)

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(f"localhost:{self.stack.settings.kafka_port}", Topics().prefixed(f"{self.name}."))

    def deploy(self, guarantee: Guarantee, *arguments: str, state: str | None = None) -> str:
        """The id of the job, running, whose finals have this guarantee."""
        own = ("--bootstrap-servers", self.kafka.bootstrap_servers, "--topic-prefix", f"{self.name}.")
        named = ("--name", self.name, "--group-id", self.name, "--finals", guarantee)
        job_id = self.jobs.submit(TRANSCRIBE, [*own, *named, *arguments], state)
        self.jobs.await_running(job_id)
        return job_id


@contextmanager
def installation(stack: Stack, guarantee: Guarantee) -> Iterator[KafkaSettings]:
    """Topics and a job whose finals have this guarantee."""
    own = Installation(guarantee, stack)
    ensure_topics(own.kafka, partitions=2)
    job_id = own.deploy(guarantee, "--checkpoint-interval-ms", str(CHECKPOINT_INTERVAL_MS[guarantee]))
    yield own.kafka
    own.jobs.cancel(job_id)


def test_finals_written_exactly_once_are_there_once_after_a_killed_task_manager_and_others_are_repeated(
    recordings: list[Path], stack: Stack
) -> None:
    playback = played(recordings[:3], pace=Pace.REALTIME)
    with installation(stack, Guarantee.EXACTLY_ONCE) as once, installation(stack, Guarantee.AT_LEAST_ONCE) as often:
        with (
            ChunkPublisher(once) as to_once,
            ChunkPublisher(often) as to_often,
            TranscriptReader(often, sessions=playback.session_ids) as heard,
        ):
            producer = Both((to_once, to_often))
            live = exchanged(playback.chunks(now()), producer, heard, playback.session_ids, PATIENCE_S)
            with closing(live) as transcripts:
                kill_at_the_first_final(transcripts, stack)
        assert wait_until(lambda: len(ended(raw_finals(once))) == len(playback.sessions), PATIENCE_S)
        written_once, written_often = raw_finals(once), raw_finals(often)

    undisturbed = played(recordings[:3])
    expected = list(finals_of(in_process(undisturbed), undisturbed).values())
    assert list(finals_of(written_once, playback).values()) == expected
    assert repeated(written_once) == []
    assert repeated(written_often) != []
    assert {transcript_id(each) for each in written_often} == {transcript_id(each) for each in written_once}


def test_a_savepoint_of_one_guarantee_starts_a_job_of_the_other_in_mid_speech(
    recordings: list[Path], stack: Stack
) -> None:
    playback = played(recordings[:1])
    chunks = list(playback.chunks(now()))
    first, second = len(chunks) // 3, 2 * len(chunks) // 3
    steps = (
        (Guarantee.AT_LEAST_ONCE, "1", chunks[:first]),
        (Guarantee.EXACTLY_ONCE, "2", chunks[first:second]),
        (Guarantee.AT_LEAST_ONCE, "1", chunks[second:]),
    )
    own, job_id = Installation("switched", stack), None
    ensure_topics(own.kafka, partitions=2)
    with ChunkPublisher(own.kafka) as publisher:
        for guarantee, parallelism, piece in steps:
            state = own.jobs.stop_with_savepoint(job_id) if job_id else None
            job_id = own.deploy(guarantee, "--parallelism", parallelism, state=state)
            for chunk in piece:
                publisher.publish(chunk)
            publisher.flush()
    assert wait_until(lambda: len(ended(raw_finals(own.kafka))) == 1, PATIENCE_S)
    assert job_id is not None
    own.jobs.cancel(job_id)
    undisturbed = played(recordings[:1])
    assert finals_of(raw_finals(own.kafka), playback) == finals_of(in_process(undisturbed), undisturbed)


def kill_at_the_first_final(transcripts: Iterator[Transcript], stack: Stack) -> None:
    """Both jobs have written it by then, and no checkpoint holds it yet."""
    is_killed = False
    for transcript in transcripts:
        if transcript.is_final and not is_killed:
            Cluster(stack).kill(TASK_MANAGER)
            is_killed = True
    assert is_killed


def raw_finals(kafka: KafkaSettings) -> list[Transcript]:
    """All that consumers of committed records find in the final topic, from its beginning."""
    topic = kafka.topics.finals
    return [decode_transcript(record.value) for record in stored_records(kafka, topic, kept(kafka, topic))]


def ended(transcripts: list[Transcript]) -> set[str]:
    return {each.session_id for each in transcripts if each.kind is TranscriptKind.SESSION_END}


def repeated(transcripts: list[Transcript]) -> list[TranscriptId]:
    counts = Counter(transcript_id(each) for each in transcripts)
    return [identity for identity, count in counts.items() if count > 1]
