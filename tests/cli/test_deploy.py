"""What ``voxflow deploy`` says, and what it refuses, before it talks to any server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.cli.deploy import age, told
from pipeline.local.states import State


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (3_599, "59 minutes"),
        (7_200, "2 hours"),
        (200_000, "2 days"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    assert age(seconds) == words


def test_what_a_job_goes_on_from_is_told_with_its_age_and_place() -> None:
    state = State(Path("/flink/checkpoints/1/chk-7"), completed_s=1_000.0)
    assert told(state, now_s=1_180.0) == "checkpoint of 3 minutes ago: /flink/checkpoints/1/chk-7"


@pytest.mark.parametrize("options", [["--stop", "--cancel"], ["--stop", "--fresh"], ["--fresh", "--from", "x"]])
def test_options_that_contradict_one_another_are_wrong_usage(options: list[str]) -> None:
    result = CliRunner().invoke(main, ["deploy", *options])
    assert result.exit_code == 2
    assert "exclude one another" in result.stderr
