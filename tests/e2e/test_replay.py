"""Stored sessions heard again: the same words with the same engine, one line where that cannot be."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import TopicPartition

from pipeline.adapters.audio_files import ChunkPlan
from pipeline.adapters.kafka.client import admin_client
from pipeline.cli import main
from pipeline.client.exchange import kafka_transcriber
from pipeline.client.pacing import Pace
from pipeline.client.replay import stored_sessions
from pipeline.client.sessions import Playback, file_sessions, now
from pipeline.config import KafkaSettings

pytestmark = pytest.mark.e2e

PATIENCE_S = 60


def transcribed(paths: list[Path], kafka: KafkaSettings) -> tuple[str, ...]:
    """The ids of sessions that the job has transcribed."""
    playback = Playback(file_sessions(paths), ChunkPlan(), Pace.FAST)
    with kafka_transcriber(kafka, playback.session_ids, PATIENCE_S) as transcribe:
        assert [each for each in transcribe(playback.chunks(now())) if each.is_final]
    return playback.session_ids


def voxflow(kafka: KafkaSettings, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"VOXFLOW_BOOTSTRAP_SERVERS": kafka.bootstrap_servers})


def assert_one_line(result: Result, *parts: str) -> None:
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.strip().splitlines()) == 1
    assert [part for part in parts if part not in result.stderr] == []


@pytest.mark.usefixtures("job")
def test_the_same_engine_says_again_what_was_stored(recordings: list[Path], kafka: KafkaSettings) -> None:
    session_ids = transcribed(recordings[:3], kafka)
    result = voxflow(kafka, "replay", "--json", *session_ids)
    replays = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["session_id"] for one in replays] == list(session_ids)
    assert all(one["replayed"] == one["stored"] and one["stored"] for one in replays)
    assert all((one["word_difference_rate"], one["skipped"]) == (0, 0) for one in replays)


@pytest.mark.usefixtures("job")
def test_other_settings_are_shown_beside_what_was_stored(recordings: list[Path], kafka: KafkaSettings) -> None:
    (session_id,) = transcribed(recordings[:1], kafka)
    result = voxflow(kafka, "replay", session_id, "--silence-ms", "1200")
    assert result.exit_code == 0
    assert "words changed" in result.stdout
    assert all(heading in result.stdout for heading in ("stored", "replayed"))


@pytest.mark.usefixtures("job")
def test_an_unknown_session_is_one_line(kafka: KafkaSettings) -> None:
    assert_one_line(voxflow(kafka, "replay", "never-spoken"), "never-spoken", "unknown")


@pytest.mark.usefixtures("job")
def test_audio_that_is_no_longer_kept_is_one_line(recordings: list[Path], kafka: KafkaSettings) -> None:
    (session_id,) = transcribed(recordings[:1], kafka)
    (stored,) = stored_sessions(kafka, [session_id])
    gone = TopicPartition(kafka.topics.audio, stored.partition, stored.offsets.first + 1)
    admin = admin_client(kafka)  # kept: a client that is forgotten answers nobody
    admin.delete_records([gone])[gone].result(PATIENCE_S)
    assert_one_line(voxflow(kafka, "replay", session_id), session_id, "no longer kept", "retention.ms")
