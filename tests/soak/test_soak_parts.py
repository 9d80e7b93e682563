"""What a soak reads of processes and of state."""

from pathlib import Path

from pipeline.local.running_job import words
from tests.soak.memory import Memory, Sample, peaks_mb, status
from tests.soak.soak import left_over


def test_memory_is_read_in_kilobytes_and_other_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tjava\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\nThreads:\t12\n")
    assert status(tmp_path / "status") == {"VmRSS": 2048, "RssAnon": 1024}


def test_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert status(tmp_path / "status") == {}


def test_the_peak_of_a_process_counts_the_samples_in_which_it_lived() -> None:
    samples = [Sample(0, {"kafka": Memory(10, 5)}), Sample(5, {"kafka": Memory(30, 5), "flink": Memory(7, 5)})]
    assert peaks_mb(samples) == {"flink": 7, "kafka": 30}


def test_state_that_is_left_is_what_an_operator_has_more_of_than_before() -> None:
    before = {"sessions": 100, "transcripts": 50, "usage": 10}
    assert left_over(before, {"sessions": 100, "transcripts": 40, "usage": 900}) == {}
    assert left_over(before, {"sessions": 160, "transcripts": 50, "usage": 10}) == {"sessions": 60}


def test_a_task_is_found_by_the_operators_in_its_name() -> None:
    assert "ingest" in words("Source: audio[1] -> Calc[2] -> ingest -> (_stream_key_by_map_operator, Map)")
    assert "sessions" not in words("_sessions_by_map -> (Map, Map)")
