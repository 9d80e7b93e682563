"""A session lives through the death of the process that holds it."""

import os
import signal
from pathlib import Path

import pytest

from pipeline.client.exchange import kafka_transcriber
from pipeline.client.pacing import Pace
from pipeline.client.sessions import now
from pipeline.config import KafkaSettings
from pipeline.domain.types import Transcript
from pipeline.local import flink
from pipeline.local.process import wait_until
from pipeline.local.stack import Stack
from tests.e2e.test_transcription import finals_of, in_process, played

pytestmark = pytest.mark.e2e

PATIENCE_S = 120
TASK_MANAGER = "taskmanager-1"


@pytest.mark.usefixtures("job")
def test_the_finals_after_a_killed_task_manager_are_those_of_an_undisturbed_run(
    recordings: list[Path], kafka: KafkaSettings, stack: Stack
) -> None:
    playback = played(recordings[:3], pace=Pace.REALTIME)
    transcripts: list[Transcript] = []
    with kafka_transcriber(kafka, playback.session_ids, PATIENCE_S) as transcribe:
        for transcript in transcribe(playback.chunks(now())):
            if transcript.is_final and not any(each.is_final for each in transcripts):
                kill_task_manager(stack)
            transcripts.append(transcript)
    undisturbed = played(recordings[:3])
    assert list(finals_of(transcripts, playback).values()) == list(
        finals_of(in_process(undisturbed), undisturbed).values()
    )


def kill_task_manager(stack: Stack) -> None:
    """In mid-speech, with no chance to say goodbye; a new one takes its place."""
    process = flink.process(stack.settings, TASK_MANAGER)
    pid = process.pid()
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    assert wait_until(lambda: process.pid() is None, PATIENCE_S)
    stack.up(print)
