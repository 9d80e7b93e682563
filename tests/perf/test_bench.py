"""What the parts of a benchmark run in."""

from pathlib import Path

from perf.bench import PARTS, environment

HALF_AN_HOUR_MIN = 30


def test_all_parts_together_take_less_than_half_an_hour() -> None:
    assert sum(part.minutes for part in PARTS) < HALF_AN_HOUR_MIN - 2


def test_parts_have_a_stack_of_their_own_and_the_everyday_job() -> None:
    inherited = {"VOXFLOW_KAFKA_PORT": "9092", "VOXFLOW_RECOGNIZER": "whisper", "VOXFLOW_SPEECH": "speech", "PATH": "x"}
    found = environment(inherited, Path("home"))
    assert found["VOXFLOW_HOME"] == "home"
    assert found["VOXFLOW_KAFKA_PORT"] != "9092"
    assert "VOXFLOW_RECOGNIZER" not in found
    assert (found["VOXFLOW_SPEECH"], found["PATH"]) == ("speech", "x")
