"""Voices as records, and what the job did with them."""

from perf.job import COUNTED, engine_work, session_settings
from perf.live import encoded_records
from pipeline.codecs.avro import decode_chunk
from pipeline.observability import metrics


def test_records_are_in_the_order_in_which_their_last_samples_are_captured() -> None:
    sessions = {"a": [(b"1",), (b"2",)], "b": [(b"3",), (b"4",)]}
    records = encoded_records(sessions, {"a": 1_000, "b": 1_050}, chunk_ms=100)
    assert [(one.key, one.at_ms) for one in records] == [(b"a", 1_100), (b"b", 1_150), (b"a", 1_200), (b"b", 1_250)]


def test_the_last_record_of_a_session_ends_it() -> None:
    records = encoded_records({"a": [(b"1",), (b"2",)]}, {"a": 1_000}, chunk_ms=100)
    chunks = [decode_chunk(one.value) for one in records]
    assert [(one.seq, one.captured_at_ms, one.end_of_stream) for one in chunks] == [(0, 1_000, False), (1, 1_100, True)]


def test_the_mean_batch_is_of_what_was_run_between_two_readings() -> None:
    before = dict.fromkeys(COUNTED, 10)
    after = before | {metrics.REQUESTS: 70, metrics.PARTIALS: 60, metrics.BATCHES: 30, metrics.PARTIALS_LATE: 30}
    work = engine_work(before, after)
    assert (work["requests"], work["partials"], work["partials_shed"], work["mean_batch"]) == (60, 50, 20, 2.0)


def test_without_a_batch_there_is_no_mean() -> None:
    same = dict.fromkeys(COUNTED, 10)
    assert engine_work(same, same)["mean_batch"] is None


def test_the_bare_engine_hears_segments_that_end_as_the_jobs_do() -> None:
    assert session_settings().track.endpointing.end_silence_ms(5_000) == 192
