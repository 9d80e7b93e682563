from perf.cold_start import first_figures
from pipeline.domain.types import StageTimes
from tests.client.helpers import arrival, final, partial


def test_the_first_recognition_is_the_one_that_was_asked_for_first_its_time_in_the_queue_included() -> None:
    early = StageTimes(requested_at_ms=1_000, started_at_ms=1_100, recognised_at_ms=1_300)
    late = StageTimes(requested_at_ms=1_400, started_at_ms=1_400, recognised_at_ms=1_450)
    found = first_figures([arrival(final(times=late), 1_500), arrival(partial(times=early), 1_320)], 500)
    assert found["first_recognition_ms"] == 300


def test_the_first_final_is_told_with_its_time_in_the_engine_and_its_wait() -> None:
    times = StageTimes(requested_at_ms=1_400, started_at_ms=1_420, recognised_at_ms=1_450)
    found = first_figures([arrival(final(times=times, end_ms=600), 1_500)], 500)
    assert (found["first_final_engine_ms"], found["first_final_ms"]) == (30, 400)
