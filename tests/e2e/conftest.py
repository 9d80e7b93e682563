"""The transcription job on the shared stack, deployed once for all end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.adapters.kafka import ensure_topics
from pipeline.client.recordings import BECKETT, TWO_CITIES, recording
from pipeline.config import KafkaSettings, Topics
from pipeline.local.jobs import Jobs
from pipeline.local.stack import Stack

TRANSCRIBE = Path(__file__).parents[2] / "jobs" / "transcribe.py"


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> KafkaSettings:
    """The broker of the shared stack, with all topics."""
    settings = KafkaSettings(f"localhost:{stack.settings.kafka_port}")
    ensure_topics(settings)
    return settings


@pytest.fixture(scope="session")
def job(stack: Stack, kafka: KafkaSettings) -> Iterator[str]:
    """The id of the running job."""
    jobs = Jobs(stack.settings)
    job_id = jobs.submit(TRANSCRIBE, ["--bootstrap-servers", kafka.bootstrap_servers])
    jobs.await_running(job_id)
    yield job_id
    jobs.cancel(job_id)


@pytest.fixture
def process_mode(stack: Stack) -> Iterator[KafkaSettings]:
    """Topics of their own for a second job, whose Python runs beside the TaskManager."""
    prefix = "process."
    settings = KafkaSettings(f"localhost:{stack.settings.kafka_port}", Topics().prefixed(prefix))
    ensure_topics(settings, partitions=1)
    jobs = Jobs(stack.settings)
    arguments = ["--bootstrap-servers", settings.bootstrap_servers, "--topic-prefix", prefix, "--name", "process-mode"]
    job_id = jobs.submit(TRANSCRIBE, [*arguments, "--execution-mode", "process"])
    jobs.await_running(job_id)
    yield settings
    jobs.cancel(job_id)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight recordings of 6 to 10 s with different words, from the two that come with the model's package."""
    folder = tmp_path_factory.mktemp("recordings")
    samples, rate_hz = soundfile.read(recording(TWO_CITIES), dtype="int16")
    paths = [recording(BECKETT)]
    for number, piece in enumerate(np.array_split(samples, 7)):
        paths.append(folder / f"cities-{number}.wav")
        soundfile.write(paths[-1], piece, rate_hz)
    return paths
