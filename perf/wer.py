"""Does streaming cost accuracy, and are the texts of the job those of one process?

The same recordings by the bare engine, by the pipeline in one process and by Kafka and Flink; see perf/README.md.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from pipeline.adapters.audio_files import ChunkPlan, pcm_blocks
from pipeline.cli.borrowed import borrowed_job
from pipeline.client.exchange import Transcriber, kafka_transcriber
from pipeline.client.local import local_transcriber
from pipeline.client.machine import machine
from pipeline.client.pacing import Pace
from pipeline.client.sessions import Playback, file_sessions, now
from pipeline.domain.ports import Recognizer
from pipeline.domain.scoring import WordErrors, bootstrap_interval, pooled, word_errors
from pipeline.domain.types import SAMPLE_RATE_HZ, Codec, Pcm, Transcript, TranscriptKind
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.errors import VoxflowError

PATIENCE_S: Final = 180.0
SEED: Final = 1
RESULTS: Final = Path(__file__).parent / "results" / "wer.json"
PATHS: Final = ("engine", "local", "kafka")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording and what is said in it."""

    path: Path
    reference: str


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
@click.option("--path", "wanted", multiple=True, type=click.Choice(PATHS), default=PATHS, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Only so many recordings.")
def main(folder: Path, wanted: tuple[str, ...], limit: int | None) -> None:
    """Compare the word error rates of three paths over the recordings in FOLDER; writes perf/results/wer.json.

    \b
    Examples:
      python perf/wer.py                                   needs ../shared/speech/dev
      VOXFLOW_SPEECH=my/speech python perf/wer.py
      python perf/wer.py --path engine --path local        without Kafka and Flink
    """
    if not (folder / "manifest.jsonl").exists():
        click.echo(f"skipped: no {folder / 'manifest.jsonl'}; name a folder with one, or set VOXFLOW_SPEECH")
        return
    spoken = recordings(folder)[:limit]
    try:
        texts = {name: texts_by(name, spoken) for name in wanted}
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    conclude(folder, spoken, texts)


def recordings(folder: Path) -> list[Spoken]:
    """What the manifest lists: one JSON object a line, with ``file`` and ``text``."""
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line]
    return [Spoken(folder / row["file"], row["text"]) for row in rows]


def texts_by(name: str, spoken: Sequence[Spoken]) -> list[str]:
    """The text of each recording, in order, by one of PATHS."""
    match name:
        case "engine":
            return engine_texts(spoken)
        case "local":
            played = playback(spoken)
            return streamed_texts("local", played, local_transcriber(os.environ, partials=False))
        case _:
            played = playback(spoken)
            with borrowed_job(click.echo) as kafka:
                return streamed_texts("kafka", played, kafka_transcriber(kafka, played.session_ids, PATIENCE_S))


def engine_texts(spoken: Sequence[Spoken]) -> list[str]:
    recognizer = load_recognizer(EngineSettings.from_environ(os.environ))
    return [whole_text(recognizer, audio(one.path)) for one in track(spoken, "engine")]


def whole_text(recognizer: Recognizer, samples: Pcm) -> str:
    """The text of a recording in one piece, or in as few as the engine takes."""
    pieces = np.array_split(samples, -(-len(samples) // recognizer.max_samples))
    return " ".join(recognizer.recognize([piece])[0].text for piece in pieces)


def audio(path: Path) -> Pcm:
    """The first channel: shape (samples,), dtype float32 in [-1, 1], 16 kHz."""
    samples = np.concatenate([block[0] for block in pcm_blocks(path, SAMPLE_RATE_HZ, 1000)])
    scaled: Pcm = samples.astype(np.float32) / np.float32(32768)
    return scaled


def playback(spoken: Sequence[Spoken]) -> Playback:
    """PCM, so that every path hears the same samples."""
    return Playback(file_sessions([one.path for one in spoken]), ChunkPlan(Codec.PCM_S16LE, tenant="wer"), Pace.FAST)


def streamed_texts(name: str, played: Playback, transcriber: AbstractContextManager[Transcriber]) -> list[str]:
    with transcriber as transcribe, closing(transcribe(played.chunks(now()))) as transcripts:
        finals = finals_of(shown(name, transcripts, len(played.sessions)))
    return [joined(finals.get(session_id, [])) for session_id in played.session_ids]


def shown(name: str, transcripts: Iterable[Transcript], sessions: int) -> Iterable[Transcript]:
    """The transcripts, with a bar that advances as sessions end."""
    with Progress() as progress:
        task = progress.add_task(name, total=sessions)
        for transcript in transcripts:
            progress.advance(task, transcript.kind is TranscriptKind.SESSION_END)
            yield transcript


def finals_of(transcripts: Iterable[Transcript]) -> dict[str, list[Transcript]]:
    finals: dict[str, list[Transcript]] = {}
    for transcript in transcripts:
        if transcript.is_final:
            finals.setdefault(transcript.session_id, []).append(transcript)
    return finals


def joined(finals: Sequence[Transcript]) -> str:
    return " ".join(one.text for one in sorted(finals, key=lambda final: final.start_ms) if one.text)


def conclude(folder: Path, spoken: Sequence[Spoken], texts: Mapping[str, list[str]]) -> None:
    """Writes and prints rates with their intervals, and how many texts of the job differ from the local ones."""
    rates = {name: scored([word_errors(*pair) for pair in pairs(spoken, found)]) for name, found in texts.items()}
    record = {"machine": machine(), "folder": folder.name, "files": len(spoken), "rates": rates}
    if {"local", "kafka"} <= texts.keys():
        differing = differing_files(spoken, texts["local"], texts["kafka"])
        record |= {"differing_files": len(differing), "differing": differing}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    Console().print(table(rates))
    if "differing_files" in record:
        click.echo(f"{record['differing_files']} of {len(spoken)} texts differ between local and kafka")
    click.echo(f"written to {RESULTS}")


def differing_files(spoken: Sequence[Spoken], local: Sequence[str], kafka: Sequence[str]) -> list[str]:
    """The recordings whose two texts are not the same, character for character."""
    texts = zip(spoken, local, kafka, strict=True)
    return [one.path.name for one, one_text, other_text in texts if one_text != other_text]


def pairs(spoken: Sequence[Spoken], texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(one.reference, text) for one, text in zip(spoken, texts, strict=True)]


def scored(errors: Sequence[WordErrors]) -> dict[str, Any]:
    total = pooled(errors)
    low, high = bootstrap_interval(errors, np.random.default_rng(SEED))
    return {
        "wer": round(total.rate, 4),
        "interval_95": [round(low, 4), round(high, 4)],
        "substitutions": total.substitutions,
        "deletions": total.deletions,
        "insertions": total.insertions,
        "reference_words": total.reference_words,
    }


def table(rates: Mapping[str, dict[str, Any]]) -> Table:
    shown_table = Table("path", "word error rate", "95 % interval", "replaced", "missing", "added", box=None)
    for name, found in rates.items():
        low, high = found["interval_95"]
        counts = (str(found[kind]) for kind in ("substitutions", "deletions", "insertions"))
        shown_table.add_row(name, f"{found['wer']:.1%}", f"{low:.1%} to {high:.1%}", *counts)
    return shown_table


if __name__ == "__main__":
    main()
