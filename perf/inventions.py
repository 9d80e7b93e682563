"""What is written where nobody speaks?

Silence, noise, tones and music through the whole pipeline in one process; every word is an invention. And the
opposite: speech from an amplifier that clips must still be understood. See perf/README.md.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from perf.signals import SOUNDS, clipped
from pipeline.adapters.audio_files import pcm_blocks
from pipeline.client.machine import machine
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.client.sessions import wall_ms
from pipeline.domain.scoring import word_errors
from pipeline.domain.types import SAMPLE_RATE_HZ, AudioChunk, Codec, Pcm16, Transcript
from pipeline.engines.base import EngineSettings
from pipeline.errors import VoxflowError
from pipeline.inprocess import InProcessPipeline, transcribe_chunks

CHUNK_MS: Final = 100
GAINS: Final = (1.0, 5.0, 20.0)
"""How many times too loud speech is; at 1 its loudest sample is the loudest there can be."""

RESULTS: Final = Path(__file__).parent / "results" / "inventions.json"
REFERENCE: Final = Path(__file__).parents[1] / "pipeline" / "cli" / "data" / "two_cities.txt"


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Of each sound.")
@click.option("--silence-minutes", type=click.FloatRange(0.1), default=60.0, show_default=True)
def main(minutes: float, silence_minutes: float) -> None:
    """Count the words that are invented where nobody speaks; writes perf/results/inventions.json.

    \b
    Examples:
      python -m perf.inventions                  about a minute
      python -m perf.inventions --minutes 60     an hour of each
    """
    try:
        pipeline = InProcessPipeline.load(EngineSettings.from_environ(os.environ), wall_ms, partials=False)
        lengths = {name: silence_minutes if name == "silence" else minutes for name in SOUNDS}
        found = [invented(pipeline, name, length) for name, length in track(lengths.items(), "listening")]
        understood = {f"{gain:g} times": rate(pipeline, gain) for gain in GAINS}
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    record = {"machine": machine(), "sounds": found, "word_error_rate": understood}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    Console().print(table(found))
    rates = ", ".join(f"{name} {value:.1%}" for name, value in understood.items())
    click.echo(f"word error rate of speech that is too loud: {rates}\nwritten to {RESULTS}")


def invented(pipeline: InProcessPipeline, name: str, minutes: float) -> dict[str, Any]:
    """The segments and words found in so much of a sound."""
    finals = finals_of(pipeline, name, SOUNDS[name](minutes * 60))
    words = sum(len(final.text.split()) for final in finals)
    return {
        "sound": name,
        "minutes": minutes,
        "segments": len(finals),
        "words": words,
        "words_an_hour": round(words * 60 / minutes, 1),
        "texts": [final.text for final in finals if final.text],
    }


def rate(pipeline: InProcessPipeline, gain: float) -> float:
    """The word error rate of a recording so amplified, in [0, 1] and rarely above."""
    speech = np.concatenate([block[0] for block in pcm_blocks(recording(TWO_CITIES), SAMPLE_RATE_HZ, CHUNK_MS)])
    finals = finals_of(pipeline, f"{gain:g} times", clipped(speech, gain))
    return round(word_errors(REFERENCE.read_text(), " ".join(final.text for final in finals)).rate, 4)


def finals_of(pipeline: InProcessPipeline, session_id: str, audio: Pcm16) -> list[Transcript]:
    """``audio``: shape (samples,), heard as one session."""
    return [one for one in transcribe_chunks(chunks(session_id, audio), pipeline) if one.is_final]


def chunks(session_id: str, audio: Pcm16) -> Iterator[AudioChunk]:
    """Plain PCM, so that no codec smooths anything."""
    size = SAMPLE_RATE_HZ * CHUNK_MS // 1000
    starts = range(0, len(audio), size)
    for seq, start in enumerate(starts):
        packet = audio[start : start + size].astype("<i2").tobytes()
        last = start == starts[-1]
        yield AudioChunk(session_id, seq, seq * CHUNK_MS, Codec.PCM_S16LE, SAMPLE_RATE_HZ, 1, (packet,), last)


def table(found: Iterable[dict[str, Any]]) -> Table:
    shown = Table("sound", "minutes", "segments", "words", "an hour", box=None)
    for one in found:
        shown.add_row(
            one["sound"], f"{one['minutes']:g}", str(one["segments"]), str(one["words"]), str(one["words_an_hour"])
        )
    return shown


if __name__ == "__main__":
    main()
