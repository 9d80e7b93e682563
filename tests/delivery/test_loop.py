"""The loop: nothing is committed that was not written, nothing is written that is not ours, and nothing is lost."""

from dataclasses import replace
from threading import Event

import pytest

from pipeline.config import DeliverySettings
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.loop import DeliveryLoop
from pipeline.errors import BrokerUnreachable, SetupError
from pipeline.testing import ManualClock
from tests.delivery.helpers import (
    FINALS,
    USAGE,
    MemoryGroup,
    MemoryLetters,
    MemoryUsage,
    MemoryView,
    final,
    records,
    usage_records,
    used,
)

SETTINGS = DeliverySettings(batch_size=3, first_pause_ms=100, longest_pause_ms=400)
WHOLE = [final(segment) for segment in range(5)]
TEXTS = [one.text for one in WHOLE]


class Bench:
    """A loop between memories, on a clock that stands still unless it pauses."""

    def __init__(self, group: MemoryGroup, settings: DeliverySettings = SETTINGS) -> None:
        self.group, self.view, self.letters = group, MemoryView(), MemoryLetters()
        self.health, self.stop, self.clock = ViewHealth("memory"), Event(), ManualClock(1_000_000)
        self.loop = DeliveryLoop(
            group, self.view, self.letters, settings, self.health, lambda: 1.0, lambda: self.clock() / 1000
        )

    def steps(self, count: int = 4) -> None:
        for _ in range(count):
            self.clock.advance(10)
            self.loop.step(self.stop)

    @property
    def committed(self) -> dict[int, int]:
        return {number: offset for (_, number), offset in self.group.committed.items()}


def test_all_that_is_there_is_taken_at_once_up_to_the_size_of_a_batch() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.steps(2)
    assert bench.view.batches == [3, 2]
    assert bench.view.texts() == TEXTS
    assert bench.committed == {0: 5}


def test_offsets_are_committed_only_once_the_view_has_the_batch() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.view.unavailable = 1
    seen = []
    bench.group.on_idle = lambda: seen.append(dict(bench.group.committed))
    bench.steps()
    assert seen == [{}]
    assert bench.committed == {0: 5}


def test_a_view_that_does_not_answer_gets_the_same_batch_again_after_growing_pauses() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.view.unavailable = 5
    bench.steps()
    assert bench.view.texts() == TEXTS
    assert sum(bench.group.pauses_s) == pytest.approx(0.1 + 0.2 + 0.4 + 0.4 + 0.4)


def test_no_pause_is_so_long_that_the_group_would_miss_its_member() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)), replace(SETTINGS, first_pause_ms=60_000, longest_pause_ms=60_000))
    bench.view.unavailable = 1
    bench.steps(1)
    assert max(bench.group.pauses_s) <= 0.2
    assert sum(bench.group.pauses_s) == pytest.approx(60)


def test_an_outage_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.view.unavailable = 5
    bench.steps()
    assert [line.message for line in caplog.records] == [
        "delivery to memory waits: the memory is away",
        "delivery to memory goes on",
    ]


def test_health_tells_the_outage_and_what_waits_behind_it() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.view.unavailable = 1
    reports = []
    bench.group.on_idle = lambda: reports.append(bench.health.report())
    bench.steps()
    assert [(one.state, one.lag, one.last_error) for one in reports] == [("waiting", 5, "the memory is away")]
    assert bench.health.report().state == "running"
    assert bench.health.report().written == 5


def test_a_broker_that_is_away_is_waited_for_and_told_like_a_view() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.group.cut_off = 2
    bench.steps(2)
    assert (bench.health.report().state, bench.health.report().last_error) == ("waiting", "the group is cut off")
    bench.steps(2)
    assert bench.view.texts() == TEXTS
    assert bench.health.report().state == "running"


def test_a_view_that_nothing_is_written_to_is_still_asked_whether_it_is_there() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.steps()
    bench.clock.advance(1000)
    bench.view.unavailable = 1
    bench.steps(1)
    assert bench.health.report().last_error == "the memory is away"
    assert bench.view.batches[-1] == 0


def test_records_that_cannot_be_read_become_dead_letters_and_the_others_go_on() -> None:
    bench = Bench(MemoryGroup.of(records(WHOLE[0], b"no avro", WHOLE[1], b"")))
    bench.steps()
    assert bench.view.texts() == TEXTS[:2]
    assert [(one.raw, one.source.offset, one.error) for one in bench.letters.sent] == [
        (b"no avro", 1, "UndecodableRecord"),
        (b"", 3, "UndecodableRecord"),
    ]
    assert bench.committed == {0: 4}


def test_a_transcript_that_the_view_refuses_becomes_a_dead_letter_with_the_reason() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.view.refuses = lambda transcript: transcript.segment == 1
    bench.steps()
    assert bench.view.texts() == [TEXTS[0], *TEXTS[2:]]
    letter = bench.letters.sent[0]
    assert (letter.error, letter.message, letter.session_id) == (
        "RefusedByView",
        "not delivered to memory: not wanted",
        "s",
    )
    assert (bench.health.report().written, bench.health.report().dead_letters) == (4, 1)


def test_nothing_is_committed_before_its_dead_letters_are_stored() -> None:
    bench = Bench(MemoryGroup.of(records(b"no avro")))
    bench.letters.failures = [BrokerUnreachable("no broker")]
    seen = []
    bench.group.on_idle = lambda: seen.append(dict(bench.group.committed))
    bench.steps(1)
    assert seen == [{}]
    assert len(bench.letters.sent) == 1
    assert bench.committed == {0: 1}


def test_a_partition_that_moves_away_during_an_outage_is_left_to_its_new_owner() -> None:
    group = MemoryGroup.of(records(WHOLE[0]), records(replace(WHOLE[0], session_id="other"), partition=1))
    bench = Bench(group)
    bench.view.unavailable = 1
    group.on_idle = lambda: group.lose((FINALS, 1))
    bench.steps(1)
    assert bench.view.texts() == TEXTS[:1]
    assert bench.view.texts("other") == []
    assert bench.committed == {0: 1}


def test_a_view_that_was_emptied_is_written_again_from_the_start() -> None:
    group = MemoryGroup.of(records(*WHOLE), records(replace(WHOLE[0], session_id="other"), partition=1))
    bench = Bench(group)
    bench.steps()
    group.log[FINALS, 0] += [replace(one, source=replace(one.source, offset=5)) for one in records(final(5))]
    bench.view.emptied = {(FINALS, 0)}
    bench.steps()
    assert bench.view.texts() == [*TEXTS, "text 5"]
    assert bench.committed == {0: 6, 1: 1}


def test_a_stop_during_an_outage_leaves_the_batch_for_the_next_start() -> None:
    bench = Bench(MemoryGroup.of(records(*WHOLE)))
    bench.view.unavailable = 100
    bench.group.on_idle = bench.stop.set
    bench.loop.run(bench.stop)
    assert bench.committed == {}
    assert (bench.group.is_closed, bench.view.is_closed, bench.health.report().state) == (True, True, "stopped")


def test_a_loop_that_fails_for_good_leaves_the_group_and_raises() -> None:
    bench = Bench(MemoryGroup.of(records(b"no avro")))
    bench.letters.failures = [SetupError("the topic is missing")]
    with pytest.raises(SetupError, match="the topic is missing"):
        bench.loop.run(bench.stop)
    assert bench.group.is_closed


def test_usage_is_delivered_as_texts_are_and_its_dead_letters_are_of_no_session() -> None:
    newest, other = used(revision=3), used(tenant="other")
    group = MemoryGroup.of(usage_records(newest, used(revision=2), b"no avro", other, used(tenant="odd")))
    view, letters, health = MemoryUsage(refuses="odd"), MemoryLetters(), ViewHealth("usage")
    loop = DeliveryLoop(group, view, letters, SETTINGS, health, lambda: 1.0)
    for _ in range(2):
        loop.step(Event())
    assert list(view.stored.values()) == [newest, other]
    assert [(one.error, one.session_id) for one in letters.sent] == [
        ("UndecodableRecord", None),
        ("RefusedByView", None),
    ]
    assert group.committed == {(USAGE, 0): 5}
    assert (health.report().written, health.report().dead_letters) == (3, 2)
