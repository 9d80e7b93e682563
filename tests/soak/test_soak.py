"""A minute of soak: sessions of every kind, all answered, and nothing of them is left in the job."""

import pytest

from pipeline.adapters.kafka import ensure_topics
from pipeline.client.pacing import merged
from pipeline.client.sessions import now
from pipeline.config import KafkaSettings, Topics
from pipeline.local.stack import Stack
from tests.soak.installation import deployed
from tests.soak.playing import Cast
from tests.soak.scripts import catalogue, every_script
from tests.soak.soak import Watch, play_out

pytestmark = pytest.mark.e2e

PREFIX = "soak."
LONGEST_MS = 22_000
IDLE_MS, LINGER_MS = 4_500, 4_500
PATIENCE_S = 40.0
SAMPLE_S = 1.0


def test_every_kind_of_session_is_answered_and_leaves_no_state(stack: Stack) -> None:
    kafka = KafkaSettings(f"localhost:{stack.settings.kafka_port}", Topics().prefixed(PREFIX))
    ensure_topics(kafka, partitions=2)
    scripts = catalogue(IDLE_MS, LONGEST_MS)
    own = ("--topic-prefix", PREFIX, "--name", "soak", "--group-id", "soak")
    brief = ("--idle-ms", str(IDLE_MS), "--linger-ms", str(LINGER_MS))
    with deployed(stack, kafka, *own, *brief) as job:
        before = job.first_state_size(PATIENCE_S)
        cast, watch, start = Cast(), Watch(stack, job), now()
        chunks = merged(every_script(scripts, start.at_ms, cast.begin))
        left = play_out(kafka, cast, chunks, start, watch, before, PATIENCE_S, SAMPLE_S)
    assert [found for found in cast.verdicts().items() if not found[1].is_clean] == []
    assert left == {}
    assert max(sum(state.values()) for _, state in watch.states) > sum(before.values())
