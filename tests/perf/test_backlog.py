from perf.backlog import last_final_s
from perf.live import Played
from pipeline.client.latency import Arrival
from tests.client.helpers import arrival, final, session_end


def played(*arrivals: Arrival, took_s: float) -> Played:
    return Played(list(arrivals), {"s": 0}, {"s": 9_999}, took_s=took_s, lagged_s=0.0, late_ms=0.0)


def test_a_load_began_so_long_before_its_last_transcript_as_it_took() -> None:
    assert played(arrival(final(), 14_000), arrival(session_end(), 15_000), took_s=5.0).began_ms == 10_000


def test_a_backlog_is_worked_off_with_its_last_final_not_with_the_end_of_a_session() -> None:
    heard = (arrival(final(segment=1), 14_000), arrival(final(), 13_000), arrival(session_end(), 15_000))
    assert last_final_s(played(*heard, took_s=5.0)) == 4.0
