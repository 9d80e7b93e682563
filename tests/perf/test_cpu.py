"""Who spends the processor's time."""

import pytest

from perf.cpu import TICKS_PER_S, CpuTime, of_machine


def test_a_machine_is_busy_when_it_neither_idles_nor_waits_nor_is_taken_away() -> None:
    user, nice, system, idle, waiting, interrupts, soft, stolen, guest = (100 * TICKS_PER_S for _ in range(9))
    line = f"cpu  {user} {nice} {system} {idle} {waiting} {interrupts} {soft} {stolen} {guest} 0\ncpu0 1 2"
    assert of_machine(line) == (500, 100)


def test_cores_are_cpu_time_by_the_time_that_passed_and_the_rest_is_others() -> None:
    before = CpuTime(10.0, {"kafka": 1.0}, 2.0, 100.0, 5.0)
    after = CpuTime(20.0, {"kafka": 4.0, "taskmanager-1": 10.0}, 3.0, 116.0, 6.0)
    assert after.since(before) == pytest.approx(
        {"kafka": 0.3, "taskmanager-1": 1.0, "client": 0.1, "others": 0.2, "stolen": 0.1}
    )
