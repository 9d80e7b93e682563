"""When the breaker opens, how long it stays open, and who can close it."""

from pipeline.engines.batch_queue import Voice
from pipeline.engines.breaker import LONGEST_PAUSE_MS, LOOKED_AT, OPENS_AT, Breaker, Weight

A: Voice = ("a", 0, 0)
B: Voice = ("b", 0, 0)
PAUSE_MS = 1_000


def fed(*outcomes: tuple[Weight, Voice]) -> Breaker:
    """A breaker that has seen these outcomes, all at time 0."""
    made = Breaker(PAUSE_MS)
    for weight, voice in outcomes:
        made.record(weight, [voice], now_ms=0)
    return made


def opened() -> Breaker:
    return fed((Weight.HUNG, A), (Weight.HUNG, B))


def test_failures_in_a_row_open_it() -> None:
    failures = [(Weight.FAILED, A), (Weight.FAILED, B)] * OPENS_AT
    assert fed(*failures[: OPENS_AT - 1]).is_closed
    assert not fed(*failures[:OPENS_AT]).is_closed


def test_a_success_in_between_starts_the_row_anew() -> None:
    failures = [(Weight.FAILED, A), (Weight.FAILED, B)] * 2
    assert fed(*failures, (Weight.FINE, A), *failures).is_closed


def test_most_calls_of_a_window_open_it_though_some_succeed() -> None:
    third = [(Weight.FAILED, A), (Weight.FAILED, B), (Weight.FINE, A)]
    assert fed(*third * 5).is_closed
    assert not fed(*third * 6).is_closed


def test_failures_that_left_the_window_are_forgotten() -> None:
    failures = [(Weight.FAILED, A), (Weight.FAILED, B), (Weight.FINE, A)] * 5
    assert fed(*failures, *[(Weight.FINE, A)] * LOOKED_AT, *failures).is_closed


def test_one_segment_alone_never_opens_it() -> None:
    assert fed(*[(Weight.FAILED, A)] * 50, *[(Weight.HUNG, A)] * 50).is_closed


def test_two_hangs_open_it() -> None:
    assert fed((Weight.HUNG, A)).is_closed
    assert not opened().is_closed


def test_a_trial_is_wanted_after_the_pause_and_one_at_a_time() -> None:
    breaker = opened()
    assert [breaker.wants_trial(now_ms) for now_ms in (0, 999, 1_000)] == [False, False, True]
    breaker.begin_trial()
    assert not breaker.wants_trial(1_000)


def test_a_trial_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.begin_trial()
    breaker.end_trial(Weight.FINE, 1_000)
    assert (breaker.is_closed, breaker.wants_trial(9_000)) == (True, False)
    breaker.record(Weight.FAILED, [B], 2_000)
    assert breaker.is_closed


def test_each_trial_that_fails_doubles_the_pause_up_to_a_limit() -> None:
    breaker, now_ms, pauses = opened(), 0, list[int]()
    for _ in range(8):
        wanted_ms = next(at for at in range(now_ms, now_ms + 100_000, 500) if breaker.wants_trial(at))
        pauses.append(wanted_ms - now_ms)
        breaker.begin_trial()
        breaker.end_trial(Weight.FAILED, now_ms := wanted_ms)
    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS]


def test_a_breaker_that_closed_begins_with_the_first_pause_again() -> None:
    breaker = opened()
    for now_ms, weight in ((1_000, Weight.FAILED), (3_000, Weight.FINE)):
        breaker.begin_trial()
        breaker.end_trial(weight, now_ms)
    for voice in (A, B):
        breaker.record(Weight.HUNG, [voice], 4_000)
    assert [breaker.wants_trial(now_ms) for now_ms in (4_999, 5_000)] == [False, True]


def test_calls_that_began_before_it_opened_teach_it_nothing() -> None:
    breaker = opened()
    assert not breaker.record(Weight.FINE, [A], 10)
    assert not breaker.record(Weight.HUNG, [A], 10)
    assert (breaker.is_closed, breaker.opened) == (False, 1)
