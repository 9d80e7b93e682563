"""How often a request may fail, and how long it rests in between."""

from pipeline.engines.retries import NEVER_TRIED, Tries


def test_a_request_is_given_up_when_its_attempts_are_used_up() -> None:
    assert [Tries(failed=failed).are_spent(attempts=3) for failed in (2, 3)] == [False, True]


def test_a_request_is_given_up_after_its_second_hang() -> None:
    assert [Tries(hung=hung).are_spent(attempts=8) for hung in (1, 2)] == [False, True]


def test_failures_and_hangs_add_up() -> None:
    tries = NEVER_TRIED.after(hung=False).after(hung=True)
    assert (tries, tries.are_spent(attempts=2)) == (Tries(failed=1, hung=1), True)


def test_pauses_double_up_to_a_second() -> None:
    assert [Tries(failed=failed).pause_ms() for failed in range(1, 9)] == [20, 40, 80, 160, 320, 640, 1000, 1000]
