"""What a stranger meets who makes a mistake: one line that says what to do, never a traceback."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from pipeline.cli import main

OURS = ("transcribe", "publish", "listen", "topics", "demo", "replay", "usage", "search", "rebuild")


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """A second of silence that is a proper wav file."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.zeros(16_000, np.int16), 16_000)
    return path


def voxflow(*arguments: str | Path, environ: dict[str, str] | None = None) -> Result:
    """Runs a command with Kafka at an address where nobody answers."""
    nobody = {"VOXFLOW_BOOTSTRAP_SERVERS": "localhost:9"}
    return CliRunner().invoke(main, [str(one) for one in arguments], env=nobody | (environ or {}))


def assert_one_line(result: Result, *parts: str) -> None:
    """It failed, with one line on standard error that holds the parts, and nothing on standard output."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert [part for part in parts if part not in result.stderr] == []


@pytest.mark.parametrize("command", OURS)
def test_help_teaches_with_examples(command: str) -> None:
    result = voxflow(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"voxflow {command}" in result.stdout


@pytest.mark.parametrize("command", ["transcribe", "publish"])
def test_a_missing_file_is_named(command: str, tmp_path: Path) -> None:
    assert_one_line(voxflow(command, tmp_path / "nowhere.wav"), "nowhere.wav", "no such file")


@pytest.mark.parametrize("command", ["transcribe", "publish"])
def test_a_file_that_is_no_audio_is_named_before_anything_is_sent(command: str, tone: Path) -> None:
    notes = tone.with_name("notes.txt")
    notes.write_text("hello")
    assert_one_line(voxflow(command, tone, notes), "notes.txt", "not an audio file")


@pytest.mark.parametrize(
    "arguments", [["transcribe"], ["publish"], ["listen"], ["topics"], ["usage"], ["replay", "s"], ["rebuild", "redis"]]
)
def test_kafka_that_does_not_answer_is_named_with_the_cure(arguments: list[str], tone: Path) -> None:
    files = [str(tone)] if arguments[0] in ("transcribe", "publish") else []
    assert_one_line(voxflow(*arguments, *files), "localhost:9", "voxflow up")


def test_elasticsearch_that_does_not_answer_is_named_with_the_cure_and_without_the_password() -> None:
    result = voxflow("search", "light", environ={"VOXFLOW_ELASTICSEARCH_URL": "http://user:secret@localhost:9"})
    assert_one_line(result, "localhost:9", "voxflow up")
    assert "secret" not in result.stderr


@pytest.mark.parametrize(
    "arguments", [["usage", "--since"], ["search", "a", "--until"], ["rebuild", "redis", "--from"]]
)
def test_a_time_that_is_none_is_wrong_usage(arguments: list[str]) -> None:
    result = voxflow(*arguments, "yesterday")
    assert result.exit_code == 2
    assert "2h" in result.stderr


def test_a_session_id_for_two_files_is_wrong_usage(tone: Path) -> None:
    result = voxflow("transcribe", "--session-id", "mine", tone, tone)
    assert result.exit_code == 2
    assert "2 files" in result.stderr


def test_chunks_that_split_packets_are_wrong_usage(tone: Path) -> None:
    result = voxflow("transcribe", "--chunk-ms", "50", tone)
    assert result.exit_code == 2
    assert "multiple of 20" in result.stderr


def test_an_unknown_codec_lists_the_known_ones(tone: Path) -> None:
    result = voxflow("transcribe", "--codec", "aac", tone)
    assert result.exit_code == 2
    assert "opus" in result.stderr
