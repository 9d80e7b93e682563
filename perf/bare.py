"""What could the engine do if there were nothing around it?

It gets the stretches that the pipeline has recognised as finals, all at once: one by one in one thread, in batches in
one thread, and in batches in two threads on the cores that the pipeline has.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from perf.speech import CONTINUOUS, Corpus
from perf.stretches import stretches_of
from pipeline.client.machine import machine
from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Pcm
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.errors import VoxflowError

RESULTS: Final = Path(__file__).parent / "results" / "bare.json"
VOICES: Final = 12
SECONDS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds on the clock, and of CPU in the threads that ran the engine."""

    wall_s: float
    cpu_s: float


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
@click.option("--voices", type=click.IntRange(1), default=VOICES, show_default=True, help="Each speaks for 40 s.")
def main(folder: Path, voices: int) -> None:
    """Measure the engine alone on the pipeline's own stretches; writes perf/results/bare.json.

    \b
    Examples:
      python -m perf.bare              about a minute and a half
      python -m perf.bare --voices 4
    """
    corpus = Corpus.found_in(folder)
    try:
        stretches = stretches_of([corpus.voice(number, SECONDS, CONTINUOUS) for number in range(voices)])
        found = measured(stretches, EngineSettings.from_environ(os.environ))
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine(), "speech": corpus.name, **found}, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))
    click.echo(f"written to {RESULTS}")


def measured(stretches: Sequence[Pcm], settings: EngineSettings) -> dict[str, Any]:
    """Seconds of audio a core-second, and with all workers a second."""
    recognizer = load_recognizer(settings)
    recognizer.warm_up()
    audio_s = sum(map(len, stretches)) / SAMPLE_RATE_HZ
    alone = run(recognizer, [[one] for one in stretches], 1)
    batches = batched(recognizer, stretches, settings.batch_size)
    together, shared = run(recognizer, batches, 1), run(recognizer, batches, settings.workers)
    return {
        "stretches": len(stretches),
        "audio_s": round(audio_s, 1),
        "mean_batch": round(len(stretches) / len(batches), 2),
        "one_by_one_audio_s_per_core_s": round(audio_s / alone.cpu_s, 2),
        "batched_audio_s_per_core_s": round(audio_s / together.cpu_s, 2),
        "workers": settings.workers,
        "workers_audio_s_per_s": round(audio_s / shared.wall_s, 2),
        "workers_s": round(shared.wall_s, 2),
    }


def batched(recognizer: Recognizer, stretches: Sequence[Pcm], size: int) -> list[list[Pcm]]:
    """Batches of up to ``size`` of one canonical length, the longest first, so that no worker is left with them."""
    classes: dict[int, list[Pcm]] = defaultdict(list)
    for one in stretches:
        classes[recognizer.canonical_samples(len(one))].append(one)
    return [
        of_class[first : first + size]
        for _, of_class in sorted(classes.items(), reverse=True)
        for first in range(0, len(of_class), size)
    ]


def run(recognizer: Recognizer, batches: Sequence[Sequence[Pcm]], workers: int) -> Spent:
    """All batches by so many threads, each taking the next when it is free."""

    def recognized(batch: Sequence[Pcm]) -> float:
        before_s = time.thread_time()
        recognizer.recognize(batch)
        return time.thread_time() - before_s

    began_s = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        cpu_s = sum(pool.map(recognized, batches))
    return Spent(time.perf_counter() - began_s, cpu_s)


if __name__ == "__main__":
    main()
