"""Recordings through real Kafka and a real Flink cluster."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.adapters.audio_files import ChunkPlan
from pipeline.adapters.kafka import TranscriptReader
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.local import local_transcriber
from pipeline.client.pacing import Pace
from pipeline.client.sessions import Playback, file_sessions, now
from pipeline.config import KafkaSettings
from pipeline.domain.types import Codec, Transcript, TranscriptKind
from pipeline.local.jobs import Jobs
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e

PATIENCE_S = 60


def played(paths: list[Path], codec: Codec = Codec.OPUS, pace: Pace = Pace.FAST) -> Playback:
    return Playback(file_sessions(paths), ChunkPlan(codec), pace)


def through_kafka(playback: Playback, kafka: KafkaSettings) -> list[Transcript]:
    with kafka_transcriber(kafka, playback.session_ids, PATIENCE_S) as transcribe:
        return list(transcribe(playback.chunks(now())))


def in_process(playback: Playback) -> list[Transcript]:
    with local_transcriber({}, partials=False) as transcribe:
        return list(transcribe(playback.chunks(now())))


def finals_of(transcripts: list[Transcript], playback: Playback) -> Mapping[str, list[tuple[int, int, str]]]:
    """Each recording's final texts with their times."""
    return {
        session.path.name: [
            (each.start_ms, each.end_ms, each.text)
            for each in transcripts
            if each.session_id == session.session_id and each.is_final
        ]
        for session in playback.sessions
    }


@pytest.mark.usefixtures("job")
def test_eight_recordings_at_once_are_eight_separate_transcripts_equal_to_those_made_in_process(
    recordings: list[Path], kafka: KafkaSettings
) -> None:
    playback = played(recordings)
    through_job = finals_of(through_kafka(playback, kafka), playback)
    assert all(any(text for *_, text in finals) for finals in through_job.values())
    assert through_job == finals_of(in_process(playback), playback)


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("codec", [Codec.PCM_S16LE, Codec.MULAW, Codec.ALAW, Codec.FLAC])
def test_every_codec_reaches_the_same_text_as_in_process(
    codec: Codec, recordings: list[Path], kafka: KafkaSettings
) -> None:
    playback = played(recordings[:1], codec)
    assert finals_of(through_kafka(playback, kafka), playback) == finals_of(in_process(playback), playback)


def test_python_beside_the_task_manager_reaches_the_same_text(
    recordings: list[Path], process_mode: KafkaSettings
) -> None:
    playback = played(recordings[:2])
    assert finals_of(through_kafka(playback, process_mode), playback) == finals_of(in_process(playback), playback)


@pytest.mark.usefixtures("job")
def test_live_speech_is_captioned_by_partials_then_finals_in_order_then_the_end_of_the_session(
    recordings: list[Path], kafka: KafkaSettings
) -> None:
    transcripts = through_kafka(played(recordings[:1], pace=Pace.REALTIME), kafka)
    finals = [each for each in transcripts if each.is_final]
    assert transcripts[0].kind is TranscriptKind.PARTIAL
    assert [each.segment for each in finals] == list(range(len(finals)))
    assert transcripts[-1].kind is TranscriptKind.SESSION_END


@pytest.mark.usefixtures("job")
def test_transcripts_name_the_records_and_the_model_they_come_from(
    recordings: list[Path], kafka: KafkaSettings
) -> None:
    final = next(each for each in through_kafka(played(recordings[:1]), kafka) if each.is_final)
    assert final.source_partition >= 0
    assert 0 <= final.source_first_offset < final.source_last_offset
    assert final.model
    assert final.model_version
    times = final.times
    assert 0 < times.requested_at_ms <= times.started_at_ms <= times.recognised_at_ms <= times.emitted_at_ms


def test_a_client_killed_in_mid_stream_harms_neither_the_job_nor_other_sessions(
    recordings: list[Path], kafka: KafkaSettings, stack: Stack, job: str
) -> None:
    voxflow = Path(sys.executable).with_name("voxflow")
    command = [voxflow, "transcribe", "--session-id", "killed", recordings[1]]
    environ = os.environ | {"VOXFLOW_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    playback = played(recordings[:2])
    with TranscriptReader(kafka, sessions=["killed"]) as reader:
        client = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        await_first_transcript(reader)
        client.kill()
        client.wait()
    assert finals_of(through_kafka(playback, kafka), playback) == finals_of(in_process(playback), playback)
    assert Jobs(stack.settings).rest.all_tasks_run(job)


def await_first_transcript(reader: TranscriptReader) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_s:
        if reader.poll(0.2):
            return
    raise AssertionError(f"no transcript within {PATIENCE_S} s")
