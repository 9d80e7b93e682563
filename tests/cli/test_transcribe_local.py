"""``voxflow transcribe --local`` with the real engine: the one path a stranger can try without any server."""

import json

from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.client.recordings import BECKETT, recording
from pipeline.domain.scoring import word_errors

SPOKEN = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."


def transcribed(*options: str) -> Result:
    return CliRunner().invoke(main, ["transcribe", "--local", "--pace", "fast", *options, str(recording(BECKETT))])


def test_json_lines_hold_the_finals_and_standard_output_nothing_else() -> None:
    result = transcribed("--json", "--session-id", "mine")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert {record["kind"] for record in records} == {"FINAL"}
    assert {record["session_id"] for record in records} == {"mine"}
    assert word_errors(SPOKEN, " ".join(record["text"] for record in records)).rate < 0.2


def test_in_a_pipe_the_finals_are_plain_lines_with_their_times() -> None:
    result = transcribed()
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "0:00.3  Ever tried."
