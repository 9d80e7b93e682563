"""What the inference operators of a process tell its sessions."""

from pipeline.domain.cadence import Load
from pipeline.flink.load_board import LoadBoard


def board(*told: tuple[int, Load, int]) -> LoadBoard:
    made = LoadBoard()
    for one in told:
        made.tell(*one)
    return made


def test_where_nobody_has_told_anything_engines_count_as_busy() -> None:
    assert board().load(now_ms=0) is Load.BUSY


def test_the_busiest_one_counts() -> None:
    assert board((1, Load.IDLE, 0), (2, Load.TIGHT, 0)).load(now_ms=10) is Load.TIGHT


def test_what_was_told_last_counts() -> None:
    assert board((1, Load.FULL, 0), (1, Load.IDLE, 20)).load(now_ms=30) is Load.IDLE


def test_one_who_is_silent_has_nothing_to_do() -> None:
    assert board((1, Load.FULL, 0)).load(now_ms=1_000) is Load.IDLE


def test_one_who_is_closed_does_not_count() -> None:
    made = board((1, Load.FULL, 0), (2, Load.IDLE, 0))
    made.forget(1)
    assert made.load(now_ms=0) is Load.IDLE
