"""What the job's arguments mean."""

import pytest

from jobs.transcribe import parse
from pipeline.domain.session import SessionSettings


def test_without_arguments_sessions_are_heard_as_anywhere_else() -> None:
    assert parse([]).session == SessionSettings()


def test_a_silence_that_was_asked_for_ends_all_segments() -> None:
    endpointing = parse(["--silence-ms", "200"]).session.track.endpointing
    assert (endpointing.silence_ms, endpointing.silence_after_short_ms, endpointing.early_final_ms) == (192, 192, 128)


@pytest.mark.parametrize("value", ["100", "soon"])
def test_a_silence_that_is_none_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--silence-ms", value])
    assert f"{value}" in capsys.readouterr().err
