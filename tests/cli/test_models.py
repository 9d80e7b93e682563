"""``voxflow models``: what is there, whether it is fit to run, and a model in 8 bits with its report."""

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.engines.catalog import MOONSHINE_TINY_EN, package_file
from pipeline.errors import ModelMissing
from tests.engines.onnx_folders import write_float_folder

QUOTE = "ever tried ever failed no matter try again fail again fail better"


def voxflow(*arguments: str | Path, environ: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["models", *map(str, arguments)], env=environ or {})


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """One recording of ten seconds with its text."""
    recording = package_file(MOONSHINE_TINY_EN, "assets/beckett.wav")
    if recording is None:
        pytest.skip(f"needs a recording; pip install {MOONSHINE_TINY_EN.requirement}")
    audio, rate_hz = soundfile.read(recording, dtype="int16")
    soundfile.write(tmp_path / "quote.wav", audio, rate_hz)
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps({"file": "quote.wav", "text": QUOTE}) + "\n")
    return path


@pytest.mark.parametrize("command", ["list", "check", "quantize"])
def test_help_teaches_with_examples(command: str) -> None:
    result = voxflow(command, "--help")
    assert result.exit_code == 0
    assert f"voxflow models {command}" in result.stdout


def test_the_list_names_engines_models_and_the_fallback() -> None:
    result = voxflow("list", environ={"VOXFLOW_FALLBACK": "whisper"})
    assert result.exit_code == 0
    for name in ("moonshine-tiny-en", "whisper-tiny-en", "silero-vad", MOONSHINE_TINY_EN.fingerprint):
        assert name in result.stdout
    assert "engine: moonshine, fallback: whisper" in result.stdout


def test_a_healthy_engine_passes_with_errors_and_speed(manifest: Path) -> None:
    result = voxflow("check", "moonshine", "--manifest", manifest)
    assert result.exit_code == 0, result.output
    assert "differ between alone and in a batch: 0 of" in result.stdout
    assert "s of audio a core-second" in result.stdout


def test_an_engine_whose_texts_depend_on_their_batch_fails() -> None:
    result = voxflow("check", "tests.cli.neighbourly:load")
    assert result.exit_code == 1
    assert "texts of neighbourly depend on their batch: set VOXFLOW_BATCH_SIZE=1" in result.stderr


def test_a_missing_model_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    result = voxflow("check", "onnx", "--model", tmp_path / "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nowhere does not exist" in result.stderr


def test_a_manifest_that_is_none_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"file": "a.wav"}\n')
    result = voxflow("quantize", tmp_path, tmp_path / "out", "--manifest", tmp_path / "manifest.jsonl")
    assert result.exit_code == 1
    assert "manifest.jsonl, line 1: expected a JSON object with file and text" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_quantised_model_comes_with_a_report(manifest: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "mine", tmp_path / "mine-int8"
    try:
        write_float_folder(folder)
    except ModelMissing as missing:
        pytest.skip(str(missing))
    result = voxflow("quantize", folder, out, "--manifest", manifest)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "mine-int8.report.json").read_text())
    before, after = report["models"]
    assert (before["folder"], after["folder"]) == (str(folder), str(out))
    assert after["bytes"] < before["bytes"] / 2
    assert all(one["audio_seconds_per_core_second"] > 0 and one["word_error_rate"] < 0.5 for one in report["models"])
