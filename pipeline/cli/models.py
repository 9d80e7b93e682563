"""``voxflow models``: the engines and their models, whether one is fit to run, and one of the user's own in 8 bits."""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from pipeline.cli.manifest import read_manifest, samples_of_file
from pipeline.domain.ports import Recognizer
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.engines.catalog import MOONSHINE_TINY_EN, SILERO, WHISPER_TINY_EN, Model, folder_of, package_file
from pipeline.engines.evaluation import Quality, Spoken, independence, pieces_of, quality
from pipeline.errors import SetupError

PIECE_S: Final = 5
RECORDINGS: Final = ("assets/beckett.wav", "assets/two_cities.wav")
_MB: Final = 1_000_000
_MANIFEST = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def models() -> None:
    """Show the engines and their models, check one, or quantise one of yours.

    \b
    Examples:
      voxflow models list
      voxflow models check whisper
      voxflow models quantize my-model my-model-int8 --manifest speech/manifest.jsonl
    """


@models.command("list")
def list_models() -> None:
    """Show what is known, what is installed, and what is chosen.

    \b
    Examples:
      voxflow models list
      VOXFLOW_FALLBACK=whisper voxflow models list
    """
    settings = EngineSettings.from_environ(os.environ)
    table = Table("engine", "model", "size", "version", box=None)
    table.add_column("where", overflow="fold")
    for engine, model in (("moonshine", MOONSHINE_TINY_EN), ("whisper", WHISPER_TINY_EN), ("(detector)", SILERO)):
        table.add_row(engine, model.name, f"{model.size / _MB:.0f} MB", model.fingerprint, _where(model))
    table.add_row("onnx", "a folder of yours", "", "", "VOXFLOW_MODEL=PATH (docs/models.md)")
    Console(soft_wrap=True).print(table)
    click.echo(f"engine: {settings.recognizer}, fallback: {settings.fallback or 'none (VOXFLOW_FALLBACK names one)'}")


@models.command()
@click.argument("engine", required=False)
@click.option("--model", type=click.Path(path_type=Path), help="The folder of a model, for whisper and onnx.")
@click.option("--manifest", type=_MANIFEST, help="Recordings to measure errors and speed on: file and text a line.")
def check(engine: str | None, model: Path | None, manifest: Path | None) -> None:
    """Check an engine: its files, its start, its first texts, and that no text depends on its batch.

    ENGINE is moonshine, whisper, onnx or package.module:function; VOXFLOW_RECOGNIZER unless given. Exit code 1 where
    anything is wrong.

    \b
    Examples:
      voxflow models check
      voxflow models check onnx --model my-model
      voxflow models check whisper --manifest speech/manifest.jsonl
    """
    environ = os.environ | ({"VOXFLOW_RECOGNIZER": engine} if engine else {})
    settings = EngineSettings.from_environ(environ | ({"VOXFLOW_MODEL": str(model)} if model else {}))
    recognizer = _started(settings)
    pieces = [piece for file in RECORDINGS for piece in pieces_of(_packaged(file), PIECE_S)]
    click.echo(f"first text {_timed(lambda: recognizer.recognize(pieces[:1])):.2f} s, for {PIECE_S} s of audio")
    found = independence(recognizer, pieces)
    click.echo(f"hypotheses that differ between alone and in a batch: {found.changed} of {found.stretches}")
    if manifest is not None:
        click.echo(_told(quality(recognizer, read_manifest(manifest), time.process_time)))
    if found.changed:
        raise SetupError(f"texts of {recognizer.name} depend on their batch: set VOXFLOW_BATCH_SIZE=1")


@models.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--manifest", type=_MANIFEST, required=True, help="Recordings to compare on: file and text a line.")
def quantize(folder: Path, out: Path, manifest: Path) -> None:
    """Write the ONNX model in FOLDER to OUT with weights in 8 bits, and compare the two.

    The figures go to OUT.report.json as well. In 8 bits activations share a scale over a batch, so the engine onnx
    runs such a model one stretch at a time, as it does every model.

    \b
    Examples:
      voxflow models quantize my-model my-model-int8 --manifest speech/manifest.jsonl
      VOXFLOW_RECOGNIZER=onnx VOXFLOW_MODEL=my-model-int8 voxflow deploy
    """
    from pipeline.engines.quantizing import folder_bytes, quantize_folder

    spoken = read_manifest(manifest)
    quantize_folder(folder, out)
    report = [_report(path, folder_bytes(path), spoken) for path in (folder, out)]
    target = out.with_name(f"{out.name}.report.json")
    target.write_text(
        json.dumps({"manifest": str(manifest), "recordings": len(spoken), "models": report}, indent=2) + "\n"
    )
    Console(soft_wrap=True).print(_compared(report))
    click.echo(f"written to {target}; texts in 8 bits would depend on their batch, so batches of one are run")


def _where(model: Model) -> str:
    folder = folder_of(model)
    return f"not installed: pip install {model.requirement}" if folder is None else str(folder)


def _started(settings: EngineSettings) -> Recognizer:
    started_s = time.perf_counter()
    recognizer = load_recognizer(settings)
    loaded_s = time.perf_counter()
    recognizer.warm_up()
    click.echo(f"{recognizer.name} {recognizer.version}: files are as expected")
    click.echo(f"load {loaded_s - started_s:.2f} s, warm-up {time.perf_counter() - loaded_s:.2f} s")
    return recognizer


def _packaged(path: str) -> Any:
    found = package_file(MOONSHINE_TINY_EN, path)
    if found is None:
        raise SetupError(f"no recordings to check with; pip install {MOONSHINE_TINY_EN.requirement}")
    return samples_of_file(found)


def _timed(work: Any) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def _told(found: Quality) -> str:
    return (
        f"word error rate {100 * found.errors.rate:.2f} % of {found.errors.reference_words} words, "
        f"{found.audio_s_per_core_s:.1f} s of audio a core-second over {found.audio_s:.0f} s"
    )


def _report(folder: Path, size: int, spoken: list[Spoken]) -> dict[str, Any]:
    settings = EngineSettings(recognizer="onnx", model=str(folder))
    recognizer = load_recognizer(settings)
    recognizer.warm_up()
    found = quality(recognizer, spoken, time.process_time)
    return {
        "folder": str(folder),
        "version": recognizer.version,
        "bytes": size,
        "word_error_rate": round(found.errors.rate, 4),
        "reference_words": found.errors.reference_words,
        "audio_seconds": round(found.audio_s, 1),
        "audio_seconds_per_core_second": round(found.audio_s_per_core_s, 2),
    }


def _compared(report: list[dict[str, Any]]) -> Table:
    table = Table("model", "size", "audio s a core-second", "word error rate", box=None)
    for one in report:
        table.add_row(
            one["folder"],
            f"{one['bytes'] / _MB:.1f} MB",
            f"{one['audio_seconds_per_core_second']:.1f}",
            f"{100 * one['word_error_rate']:.2f} %",
        )
    return table
