"""How busy the engines are."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.cadence import Load
from pipeline.domain.types import RequestKind
from pipeline.engines.base import EngineSettings
from pipeline.engines.ledger import Ledger
from pipeline.engines.load_meter import LoadMeter
from pipeline.testing import ScriptedRecognizer
from tests.engines.helpers import request

ENGINE = ScriptedRecognizer()


def meter(busy: int, since_ms: int, workers: int = 2) -> LoadMeter:
    """So many workers are busy since then."""
    made = LoadMeter(workers)
    made.note(busy, since_ms)
    return made


def test_engines_without_work_are_idle() -> None:
    assert LoadMeter(2).load(0, now_ms=5_000) is Load.IDLE


def test_one_of_two_workers_makes_half_a_load_in_the_long_run() -> None:
    assert round(meter(1, since_ms=0).share(20_000), 3) == 0.5


def test_a_single_call_does_not_make_engines_busy() -> None:
    assert meter(2, since_ms=0).load(0, now_ms=100) is Load.IDLE


def test_engines_that_are_at_work_without_a_pause_are_tight() -> None:
    assert meter(2, since_ms=0).load(0, now_ms=4_000) is Load.TIGHT


def test_a_final_that_waits_makes_them_full() -> None:
    assert LoadMeter(2).load(waited_ms=401, now_ms=0) is Load.FULL


def test_work_that_is_over_is_forgotten() -> None:
    made = meter(2, since_ms=0)
    made.note(0, now_ms=4_000)
    assert [made.load(0, now_ms) for now_ms in (4_000, 4_300, 6_000)] == [Load.TIGHT, Load.BUSY, Load.IDLE]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-500, 5_000))))
def test_the_share_is_never_below_nothing_nor_above_all(steps: list[tuple[int, int]]) -> None:
    made, now_ms = LoadMeter(4), 0
    for busy, passed_ms in steps:
        now_ms += passed_ms
        made.note(busy, now_ms)
        assert 0.0 <= made.share(now_ms) <= 1.0


def test_the_calls_of_a_ledger_are_its_load_until_they_are_settled() -> None:
    ledger = Ledger(EngineSettings(workers=1))
    ledger.submit(request(RequestKind.FINAL), ENGINE, now_ms=0)
    call = ledger.next_call(ENGINE, now_ms=0)
    assert call is not None
    assert ledger.load(now_ms=3_000) is Load.TIGHT
    ledger.settle(call, RuntimeError("broken"), now_ms=3_000)
    assert ledger.load(now_ms=6_000) is Load.FULL  # it is to be tried again, and nobody does


def test_waiting_partials_are_no_load() -> None:
    ledger = Ledger(EngineSettings())
    ledger.submit(request(RequestKind.PARTIAL), ENGINE, now_ms=0)
    assert ledger.load(now_ms=900) is Load.IDLE
