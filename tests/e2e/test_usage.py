"""Usage through the real job: tenants apart, late audio corrects its minute, a wrong clock disturbs nobody."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.adapters.audio_files import ChunkPlan, chunks_of_file, inspect_audio
from pipeline.adapters.kafka import ChunkPublisher
from pipeline.client.sessions import unique_session_id, wall_ms
from pipeline.client.usage import newest, stored_usage
from pipeline.config import KafkaSettings
from pipeline.domain.usage import MINUTE_MS, Usage, minute_of

pytestmark = pytest.mark.e2e

PATIENCE_S = 120
"""The present minute must pass first, then the watermark's lateness and what the job waits when nobody speaks."""


@pytest.mark.usefixtures("job")
def test_usage_is_counted_by_tenant_and_minute_and_corrected_by_late_audio(
    recordings: list[Path], kafka: KafkaSettings
) -> None:
    path, past_ms = recordings[0], minute_of(wall_ms()) - 3 * MINUTE_MS
    begun_ms = wall_ms()
    play(path, "acme", past_ms + 1_000, kafka)
    play(path, "globex", past_ms + 1_000, kafka)
    play(path, "skewed", begun_ms + 5 * 3_600_000, kafka)

    acme, globex = (minute(tenant, past_ms, kafka, heard(path, times=1)) for tenant in ("acme", "globex"))
    assert (acme.sessions, globex.sessions) == (1, 1)
    assert acme.audio_ms == globex.audio_ms == pytest.approx(inspect_audio(path).duration_ms, abs=200)
    assert 0 < acme.speech_ms < acme.audio_ms
    assert acme.finals > 0

    play(path, "acme", past_ms + 20_000, kafka)
    corrected = minute("acme", past_ms, kafka, heard(path, times=2))
    assert corrected.revision > acme.revision
    assert (corrected.sessions, corrected.audio_ms, corrected.finals) == (2, 2 * acme.audio_ms, 2 * acme.finals)
    assert minute("globex", past_ms, kafka, heard(path, times=1)) == globex

    skewed = minute("skewed", minute_of(begun_ms), kafka, heard(path, times=1))
    assert (skewed.sessions, skewed.audio_ms, skewed.waits) == (1, acme.audio_ms, 0)
    assert skewed.window_start_ms <= wall_ms()


def play(path: Path, tenant: str, captured_from_ms: int, kafka: KafkaSettings) -> None:
    """A whole session at once, captured from then on by its producer's clock."""
    with ChunkPublisher(kafka) as publisher:
        for chunk in chunks_of_file(path, unique_session_id(tenant), ChunkPlan(tenant=tenant), captured_from_ms):
            publisher.publish(chunk)


def heard(path: Path, times: int) -> Callable[[Usage], bool]:
    """Whether a minute holds so many sessions of this recording to their ends."""
    wanted_ms = times * (inspect_audio(path).duration_ms - 200)
    return lambda one: one.audio_ms >= wanted_ms


def minute(tenant: str, start_ms: int, kafka: KafkaSettings, wanted: Callable[[Usage], bool]) -> Usage:
    """The tenant's minute, or the next one, as soon as it is written as wanted."""
    give_up_s = time.monotonic() + PATIENCE_S
    found: list[Usage] = []
    while time.monotonic() < give_up_s:
        found = newest(stored_usage(kafka))
        for one in found:
            if one.tenant == tenant and 0 <= one.window_start_ms - start_ms <= MINUTE_MS and wanted(one):
                return one
    raise AssertionError(f"no such minute of {tenant} at {start_ms}; there are {found}")
