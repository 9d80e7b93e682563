import pytest

from perf.exactly_once import figures, job_arguments, prices_ms
from pipeline.adapters.kafka.reader import transcript_id
from pipeline.errors import SetupError
from tests.client.helpers import arrival, final


def test_the_price_of_a_final_is_how_much_later_it_comes_once_it_is_committed() -> None:
    finals = [arrival(final(segment=0), 3_000), arrival(final(segment=1), 4_100)]
    uncommitted = {transcript_id(finals[0].transcript): 1_200, transcript_id(finals[1].transcript): 4_050}
    assert prices_ms(finals, uncommitted) == [1_800, 50]


def test_a_final_that_only_one_listener_got_is_no_figure() -> None:
    with pytest.raises(SetupError, match="1 of 1 finals never came uncommitted"):
        prices_ms([arrival(final(), 3_000)], {})


def test_both_waits_count_from_the_end_of_speech() -> None:
    heard = arrival(final(end_ms=2_000), 13_000)
    found = figures([heard], {transcript_id(heard.transcript): 12_000}, {"s": 10_000})
    assert found["committed_final_ms"]["p50"] == 1_000
    assert found["uncommitted_final_ms"]["p50"] == 0
    assert found["price_ms"]["most"] == 1_000


def test_the_measured_job_writes_exactly_once_with_the_interval_that_was_asked_for() -> None:
    assert job_arguments(500)[-4:] == ("--finals", "exactly-once", "--checkpoint-interval-ms", "500")
