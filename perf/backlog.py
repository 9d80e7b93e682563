"""How fast is a backlog worked off, next to the bare engine with as many workers on the same cores?

Whole sessions are there at once, as after an outage; the bare engine gets the same stretches.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

import click

from perf.bare import batched, run
from perf.job import TASK_MANAGER, MeasuredJob, engine_work, measured_job
from perf.live import Played, play
from perf.speech import CONTINUOUS, Corpus, Voice
from perf.stretches import stretches_of
from pipeline.client.machine import machine
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.errors import VoxflowError

RESULTS: Final = Path(__file__).parent / "results" / "backlog.json"
CHUNK_MS: Final = 100
SECONDS: Final = 40.0
RUNS: Final = 3


@click.command()
@click.argument("folder", envvar="VOXFLOW_SPEECH", default="../shared/speech/dev", type=click.Path(path_type=Path))
@click.option("--sessions", type=click.IntRange(1), default=24, show_default=True, help="Each speaks for 40 s.")
def main(folder: Path, sessions: int) -> None:
    """Time the bare engine, then publish sessions at once and time their finals; writes perf/results/backlog.json.

    \b
    Examples:
      python -m perf.backlog                 16 minutes of audio, about two minutes
      python -m perf.backlog --sessions 90   an hour of audio
    """
    corpus = Corpus.found_in(folder)
    voices = [corpus.voice(number, SECONDS, CONTINUOUS) for number in range(sessions)]
    try:
        alone = bare(voices)  # before the stack, which is never quite idle, and before the client takes precedence
        with measured_job(click.echo) as job:
            play(job.kafka, voices[:4], CHUNK_MS, live=False)
            found = worked_off(job, voices) | alone
    except VoxflowError as error:
        raise click.ClickException(str(error)) from error
    found["bare_audio_s_per_s"] = round(found["audio_s"] / found["bare_s"], 2)
    found["ratio"] = round(found["bare_s"] / found["last_final_s"], 3)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine(), "speech": corpus.name, **found}, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))
    click.echo(f"written to {RESULTS}")


def worked_off(job: MeasuredJob, voices: list[Voice]) -> dict[str, Any]:
    """From just before the first chunk is sent to the last final."""
    audio_s = sum(voice.lasts_ms for voice in voices) / 1000
    for voice in voices:
        voice.chunks(CHUNK_MS)
    counted, cpu = job.counters(), job.cpu()
    played = play(job.kafka, voices, CHUNK_MS, live=False)
    cores = job.cpu().since(cpu)
    took_s = last_final_s(played)
    return {
        "sessions": len(voices),
        "audio_s": round(audio_s, 1),
        "last_final_s": round(took_s, 2),
        "audio_s_per_s": round(audio_s / took_s, 2),
        "audio_s_per_core_s": round(audio_s / (played.took_s * cores[TASK_MANAGER]), 2),
        "finals": sum(one.transcript.is_final for one in played.arrivals),
        "engine": engine_work(counted, job.counters()),
        "cores_busy": cores,
    }


def last_final_s(played: Played) -> float:
    """When the last final came; what comes after it, the ends of sessions, is nobody's text."""
    return (max(one.at_ms for one in played.arrivals if one.transcript.is_final) - played.began_ms) / 1000


def bare(voices: list[Voice]) -> dict[str, Any]:
    """The same stretches, all known beforehand, with the job's number of workers; the fastest of three runs."""
    settings = EngineSettings.from_environ(os.environ)
    recognizer = load_recognizer(settings)
    recognizer.warm_up()
    stretches = stretches_of(voices)
    batches = batched(recognizer, stretches, settings.batch_size)
    runs_s = [run(recognizer, batches, settings.workers).wall_s for _ in range(RUNS)]
    return {
        "bare_stretches": len(stretches),
        "bare_mean_batch": round(len(stretches) / len(batches), 2),
        "bare_workers": settings.workers,
        "bare_runs_s": [round(one, 2) for one in runs_s],
        "bare_s": round(min(runs_s), 2),
    }


if __name__ == "__main__":
    main()
