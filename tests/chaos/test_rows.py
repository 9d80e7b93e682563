"""A row of the report says what was found, and whether it is good."""

import pytest

from tests.chaos.rows import Row
from tests.chaos.verdict import Verdict


@pytest.mark.parametrize(("silence_s", "is_good"), [(15.0, True), (15.1, False), (None, True)])
def test_after_a_kill_the_next_text_must_come_soon(silence_s: float | None, is_good: bool) -> None:
    assert Row("kafka", 4, Verdict(expected=9, identical=9), silence_s, kills=True).is_good is is_good
    assert Row("frozen", 4, Verdict(expected=9, identical=9), silence_s, kills=False).is_good


def test_a_row_tells_programs_all_that_was_counted_and_why_it_is_bad() -> None:
    row = Row("kafka", 4, Verdict(9, 7, 1, 0, 1, 3, 200), 7.25, kills=True, problem="a session did not end")
    assert not row.is_good
    assert row.record() == {
        "fault": "kafka",
        "sessions": 4,
        "expected": 9,
        "identical": 7,
        "lost": 1,
        "doubled": 0,
        "changed": 1,
        "repeated": 3,
        "audio_lost_ms": 200,
        "recovery_s": 7.2,
        "problem": "a session did not end",
    }


def test_a_fault_that_cannot_be_tried_here_says_why_and_is_no_failure() -> None:
    row = Row("disk", 4, skipped=True, note="nothing can be mounted here")
    assert row.is_good
    assert row.told == "skipped: nothing can be mounted here"
